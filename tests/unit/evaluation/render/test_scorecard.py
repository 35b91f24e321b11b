"""The page and its pieces: whole, safe with any text, and right where something is missing."""

import numpy as np

from deepsound.evaluation.examples import Example, Examples
from deepsound.evaluation.leakage import Leak, LeakAudit, TrackIdentity
from deepsound.evaluation.reliability import compute_reliability
from deepsound.evaluation.render.html.confidence import confidence_section
from deepsound.evaluation.render.html.page import Page, render_page
from deepsound.evaluation.render.html.sections import (
    audit_section,
    confusion_section,
    curves_section,
    facts_section,
    folds_section,
    genre_section,
    headline_of,
    listen_section,
)
from tests.confusions import metrics_of
from tests.markup import Checker

EVIL = "<script>alert('&\"')</script>"
GENRES = ("blues", EVIL, "jazz")
CONFUSION = np.array([[8, 1, 1], [2, 5, 3], [0, 0, 0]])


def make_reliability(n=60):
    rng = np.random.default_rng(0)
    confidences = rng.uniform(0.4, 1, n)
    return compute_reliability(confidences, is_right=rng.random(n) < confidences)


def make_audit(*, leaks=(), near_duplicates=()):
    tracks = tuple(TrackIdentity(track_id=f"t{i}", artist=None, content_sha256=None) for i in range(3))
    return LeakAudit(tracks=tracks, near_duplicates=near_duplicates, leaks=leaks)


def make_page(**changes):
    metrics = metrics_of(CONFUSION, genres=GENRES)
    mistake = Example(
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
        confidence_section({"before": make_reliability(), EVIL: make_reliability()}, note=EVIL),
        curves_section(history, best_epoch=1),
        listen_section(Examples(genres=GENRES, tracks=(mistake,), mistakes=(0,)), n_wrong=7),
        audit_section(make_audit(leaks=(leak,)), grouping=EVIL),
        facts_section("Reproduce", {EVIL: EVIL}, folded={EVIL: {EVIL: EVIL}}, command=EVIL),
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


def test_text_from_a_collection_stays_text():
    page = make_page()
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.tags.count("script") == page.count("<script") == 2
    assert page.count("&lt;script&gt;") > 20


def test_the_page_needs_nothing_but_itself():
    page = make_page()
    checker = Checker()
    checker.feed(page)
    assert {address[:6] for address in checker.addresses} == {"#part-"}
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


def test_what_is_not_there_is_said():
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
