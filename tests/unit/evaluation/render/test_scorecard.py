"""The page and its pieces: whole, safe with any text, and right where something is missing."""

import base64
import html.parser
import io

import matplotlib.image
import numpy as np
import pytest
import scipy.fft

from deepsound.evaluation.leakage import Leak, LeakAudit, TrackIdentity
from deepsound.evaluation.reliability import compute_reliability
from deepsound.evaluation.render.html.feature_pictures import picture_features
from deepsound.evaluation.render.html.page import Page, Section, render_page
from deepsound.evaluation.render.html.sections import (
    audit_section,
    calibration_section,
    confusion_section,
    curves_section,
    facts_section,
    folds_section,
    genre_section,
    headline_of,
    mistakes_section,
)
from deepsound.evaluation.report import Mistake
from tests.confusions import metrics_of

EVIL = "<script>alert('&\"')</script>"
GENRES = ("blues", EVIL, "jazz")
CONFUSION = np.array([[8, 1, 1], [2, 5, 3], [0, 0, 0]])
VOID = {"meta", "img", "br", "hr", "link", "input"}


def make_reliability(n=60):
    rng = np.random.default_rng(0)
    confidences = rng.uniform(0.4, 1, n)
    return compute_reliability(confidences, is_right=rng.random(n) < confidences)


def make_audit(*, leaks=(), near_duplicates=()):
    tracks = tuple(TrackIdentity(track_id=f"t{i}", artist=None, content_sha256=None) for i in range(3))
    return LeakAudit(tracks=tracks, near_duplicates=near_duplicates, leaks=leaks)


def make_page(**changes):
    metrics = metrics_of(CONFUSION, genres=GENRES)
    picture = picture_features(np.ones((1, 4, 3), np.float32), feature=EVIL, mean=np.zeros(3), std=np.ones(3))
    mistake = Mistake(
        track_id=EVIL,
        true_genre=EVIL,
        predicted_genre="jazz",
        confidence=0.9,
        guesses=(("jazz", 0.9), (EVIL, 0.1)),
    )
    leak = Leak(reason="artist", shared=EVIL, track_ids=(EVIL, "t1"), splits=("train", "test"))
    history = [{"loss": 2.0, "val_loss": 2.5, "accuracy": 0.1, "val_accuracy": 0.2}] * 3
    sections = (
        genre_section(metrics),
        confusion_section(metrics),
        folds_section([0.7, 0.9], [10, 10], pooled=0.8, interval=(0.6, 0.9), what="tracks of one artist"),
        calibration_section(make_reliability(), make_reliability(), temperature=1.5),
        curves_section(history, best_epoch=1),
        mistakes_section([(mistake, picture)], n_wrong=7),
        audit_section(make_audit(leaks=(leak,)), grouping=EVIL),
        facts_section("Made of", {EVIL: EVIL}, folded={EVIL: {EVIL: EVIL}}),
    )
    parts = {
        "title": EVIL,
        "subtitle": EVIL,
        "headline": headline_of(metrics, what="held-out test tracks", remarks=[EVIL]),
        "badges": ((EVIL, "bad"),),
        "sections": sections,
        "footer": EVIL,
    }
    return render_page(Page(**{**parts, **changes}))


class Checker(html.parser.HTMLParser):
    """Every element closed in its turn; which elements and addresses there are."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.addresses = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "xlink:href")]
        assert not [name for name, _ in attributes if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_text_from_a_collection_stays_text():
    page = make_page()
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert "script" not in checker.tags
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 20


def test_the_page_needs_nothing_but_itself():
    page = make_page()
    checker = Checker()
    checker.feed(page)
    assert {address[:15] for address in checker.addresses} == {"data:image/png;"}
    assert not {"link", "iframe", "object", "embed", "base"} & set(checker.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page


def test_headline():
    head = headline_of(metrics_of(CONFUSION, genres=GENRES), what="tracks")
    assert (head.share, head.of) == (13 / 20, "of 20 tracks right (13)")
    assert head.remarks[1] == "Saying blues of everything would be right on 50 %"
    assert "Macro recall and F1 leave out jazz: no track is of it" in head.remarks
    assert any("20 tracks are few" in remark for remark in head.remarks)
    nothing = headline_of(metrics_of(np.zeros((3, 3), int), genres=GENRES), what="tracks")
    assert nothing.share is None
    assert "none of the tracks has a known genre" in make_page(headline=nothing)


def test_a_genre_without_a_track_has_a_bar_that_says_so():
    assert ">no track</text>" in genre_section(metrics_of(CONFUSION, genres=GENRES)).blocks[0].svg


def decode(picture):
    data = base64.b64decode(picture.data_uri.removeprefix("data:image/png;base64,"))
    return matplotlib.image.imread(io.BytesIO(data), format="png")


def test_mfccs_become_the_mel_spectrogram_that_they_are_of():
    bands = np.linspace(0, 1, 128)
    log_mel = np.stack([-40 * np.abs(bands - centre) for centre in np.linspace(0.1, 0.9, 50)])
    mfcc = scipy.fft.dct(log_mel, axis=1, norm="ortho")[:, :13].astype(np.float32)
    picture = picture_features(
        mfcc[np.newaxis], feature="mfcc", mean=np.zeros(13), std=np.ones(13), duration_s=10.0
    )
    image = decode(picture)[..., :3].sum(axis=2)
    assert image.shape == (128, 50)
    # Low frequencies below: the row of the loudest band falls, as counted from above.
    loudest = image.argmax(axis=0)
    assert loudest[0] == pytest.approx(127 - 12, abs=12)
    assert loudest[-1] == pytest.approx(127 - 114, abs=12)
    assert picture.caption.startswith("mel spectrogram, approximate, from 13 MFCCs, 10 s")


def test_other_features_are_heat_maps_and_long_ones_are_averaged():
    values = np.random.default_rng(0).normal(size=(5, 100, 7)).astype(np.float32)
    picture = picture_features(values, feature="vggish", mean=np.zeros(7), std=np.ones(7))
    assert decode(picture).shape[:2] == (7, 360)
    assert picture.caption == "vggish as a heat map, 7 dimensions over time"
    same = picture_features(np.zeros((1, 2, 3), np.float32), feature="toy", mean=np.zeros(3), std=np.ones(3))
    assert decode(same).shape[:2] == (3, 2)
    mel = picture_features(values, feature="vggish_log_mel", mean=np.zeros(7), std=np.ones(7))
    assert mel.caption.startswith("log-mel spectrogram")


def test_what_is_not_there_is_said():
    assert mistakes_section([], n_wrong=0) == Section(
        title="The worst mistakes", blocks=(), lead="There is none.", is_wide=True
    )
    few = audit_section(make_audit(near_duplicates=None), grouping="split by artist").blocks[0]
    assert dict(few.pairs)["near-duplicates"] == "not looked for among fewer than 11 tracks"
    assert dict(few.pairs)["across splits"] == "no leaks"
    perfect = confusion_section(metrics_of(np.diag([3, 2, 1]), genres=GENRES))
    assert perfect.blocks[0].caption == "No mistake."


def test_folds_have_mean_and_spread():
    rows = folds_section([0.7, 0.9], [10, 12], pooled=0.82, interval=(0.6, 0.9), what="x").blocks[0].rows
    assert rows == (
        ("fold 1", "10", "0.700"),
        ("fold 2", "12", "0.900"),
        ("mean", "", "0.800"),
        ("sd over folds", "", f"{np.std([0.7, 0.9], ddof=1):.3f}"),
        ("all together", "22", "0.820 [0.600, 0.900]"),
    )
