"""The page of a scored collection: right figures, sensible where things are missing, safe with any text."""

import base64
import dataclasses
import hashlib
import html
import html.parser
import json
import re
import urllib.parse
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from deepsound.audio.clips import Clip
from deepsound.errors import ParameterError
from deepsound.evaluation.coverage import compute_coverage
from deepsound.evaluation.detection import evaluate_detection
from deepsound.evaluation.drift.reference import build_reference, count_tracks
from deepsound.evaluation.drift.report import compare
from deepsound.evaluation.examples import Example, Examples, SegmentGuess
from deepsound.evaluation.intervals import wilson_interval
from deepsound.evaluation.metrics import measure
from deepsound.evaluation.ood.threshold import fit_rule
from deepsound.evaluation.paired import compare_paired
from deepsound.evaluation.quantification import estimate_shares
from deepsound.evaluation.reliability import compute_reliability
from deepsound.evaluation.render.html.collection import (
    collection_badges,
    collection_headline,
    collection_page,
    collection_sections,
)
from deepsound.evaluation.render.html.comparison import (
    comparison_section,
    comparison_sections,
)
from deepsound.evaluation.render.html.page import Chart, Link, Listing, Players, Table, link_or_text
from deepsound.evaluation.render.text import describe_comparison, format_report
from deepsound.evaluation.render.wording import brief, percent
from deepsound.evaluation.report import Distances, PredictedGenre, Report
from deepsound.evaluation.slices import Part, Slice, Slices
from deepsound.label_maps.label_map import LabelOutcome, TakenLabel

EVIL = "<script>alert('&\"')</script>"
GENRES = ("blues", EVIL, "jazz")
HOME = np.random.default_rng(9).gamma(4, size=200)


def make_metrics(true=(), predicted=(), genres=GENRES):
    return measure(np.array(true, np.int64), np.array(predicted, np.int64), genres=genres)


def make_distances(scores, *, labelled=None, right=None, knows_home=True):
    rule = fit_rule({"knn": HOME}, decides="knn", false_alarm_rate=0.05)
    is_ood = scores > rule.threshold
    accepted = (0, 0)
    if labelled is not None:
        accepted = int(right[~is_ood[labelled]].sum()), int((~is_ood[labelled]).sum())
    edges = np.linspace(0, 16, 25)
    return Distances(
        rule=rule if knows_home else dataclasses.replace(rule, home_scores=None),
        edges=edges if knows_home else None,
        home=np.histogram(np.clip(HOME, 0, 16), edges)[0] if knows_home else None,
        collection=np.histogram(np.clip(scores, 0, 16), edges)[0] if knows_home else None,
        detection={"all": evaluate_detection(HOME, scores)} if knows_home and len(scores) else {},
        n_ood=int(is_ood.sum()),
        n_scored=len(scores),
        ood_interval=wilson_interval(int(is_ood.sum()), len(scores)) if len(scores) else None,
        accepted_accuracy=accepted,
        accepted_interval=wilson_interval(*accepted) if accepted[1] else None,
    )


def make_drift(n_tracks, *, shift=0.0):
    rng = np.random.default_rng(3)

    def draw(n, moved):
        return rng.normal(size=(n, 3)) + moved, {"rms_dbfs": rng.normal(-20 + 9 * moved, 3, n)}

    means, columns = draw(300, 0.0)
    reference = build_reference(
        "mfcc",
        feature_means=means,
        columns=columns,
        confidences=rng.beta(5, 2, 60),
        containers=["wav"] * 300,
    )
    means, columns = draw(n_tracks, shift)
    columns["confidence"] = rng.beta(5, 2, n_tracks)
    counts = count_tracks(reference, feature_means=means, columns=columns, containers=[EVIL] * n_tracks)
    return compare(reference, counts)


def make_report(n=200, *, labelled=True, seed=0, shift=0.0, farther=1.2, failures=None, genres=GENRES, **changes):
    """n scored tracks, labelled or not, some of them foreign."""
    rng = np.random.default_rng(seed)
    failures = {} if failures is None else failures
    n_genres = len(genres)
    true = rng.integers(0, n_genres, n)
    confidences = rng.uniform(1 / n_genres, 1, n)
    is_right = rng.random(n) < confidences
    predicted = np.where(is_right, true, (true + 1) % n_genres)
    scores = rng.gamma(4, farther, n)
    distances = make_distances(scores, labelled=np.ones(n, bool), right=is_right) if labelled else None
    distances = distances or make_distances(scores)
    is_ood = scores > distances.rule.threshold
    chosen = [predicted == i for i in range(n_genres)]
    probabilities = np.full((n, n_genres), 0.1 / n_genres)
    probabilities[np.arange(n), predicted] += 0.9
    parts = {
        "metrics": make_metrics(true, predicted, genres) if labelled else make_metrics(genres=genres),
        "n_tracks": n + sum(failures.values()),
        "n_scored": n,
        "failures": failures,
        "labels": {"mapped" if labelled else "unlabelled": n} if n else {},
        "genres": tuple(
            PredictedGenre(
                genre=genre,
                n_tracks=int(c.sum()),
                n_ood=int(is_ood[c].sum()),
                mean_confidence=float(confidences[c].mean()) if c.any() else None,
                calibration_error=0.031 if c.any() and labelled else None,
            )
            for genre, c in zip(genres, chosen, strict=True)
        ),
        "reliability": compute_reliability(confidences, is_right=is_right) if labelled and n else None,
        "coverage": compute_coverage(confidences, is_right=is_right) if labelled and n else None,
        "distances": distances,
        "shares": estimate_shares(probabilities, prior=np.full(n_genres, 30), genres=genres) if n else None,
        "slices": None,
        "drift": make_drift(n, shift=shift),
        "n_sampled": n,
        "taken_labels": (),
    }
    return Report(**{**parts, **changes})


def make_examples():
    """One to be heard and two that are gone, all of them wrong."""
    clip = Clip(mp3=b"ID3", picture=np.zeros((9, 64), np.uint8), start_s=10.0, duration_s=10.0)
    segments = tuple(
        SegmentGuess(start_s=10.0 * i, duration_s=10.0, genre=genre, probability=0.9)
        for i, genre in enumerate((EVIL, "jazz", "jazz"))
    )
    tracks = [
        Example(
            track_id=f"{EVIL}/{i}.mp3",
            true_genre=EVIL,
            predicted_genre="jazz",
            confidence=0.99,
            is_ood=i == 0,
            guesses=(("jazz", 0.99), (EVIL, 0.01)),
            duration_s=30.0,
            segments=segments,
            clip=f"gone {EVIL}" if i else clip,
        )
        for i in range(3)
    ]
    return Examples(genres=GENRES, tracks=tuple(tracks), mistakes=(0, 1), farthest=(0, 2), typical=((EVIL, 1, 2),))


EXAMPLES, NOTHING = make_examples(), Examples(genres=GENRES)


def make_page(report, **options):
    given = {
        "title": f"{EVIL} on fma_small",
        "subtitle": EVIL,
        "examples": EXAMPLES if report.coverage is not None else NOTHING,
        "facts": {EVIL: EVIL, "run": link_or_text(EVIL, url="https://example.org/#/runs/1")},
        "folded": {EVIL: {EVIL: EVIL}},
        "footer": EVIL,
    }
    return collection_page(report, **{**given, **options})


def parse(page):
    """Every element of the page with its attributes; all of them closed in their turn."""
    found, still_open = [], []

    class Checker(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.append((tag, dict(attributes)))
            if tag not in ("meta", "img"):
                still_open.append(tag)

        def handle_startendtag(self, tag, attributes):
            found.append((tag, dict(attributes)))

        def handle_endtag(self, tag):
            assert still_open.pop() == tag

    Checker().feed(page)
    assert still_open == []
    return found


def check_script(page):
    """The one script of the page is the one that its policy names."""
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    assert page.count("<script") == 2
    assert not {"<", ">", "&", "\u2028"} & set(data)
    json.loads(data)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        "media-src data:",
        "style-src 'unsafe-inline'",
        f"script-src 'sha256-{digest}'",
    ]


def text_of(page):
    hidden = r"<style>.*?</style>|<script>.*?</script>|<[^>]+>"
    return " ".join(html.unescape(re.sub(hidden, " ", page, flags=re.DOTALL)).split())


def find(sections, title):
    return next(section for section in sections if section.title == title)


def block(section, kind):
    return next(block for block in section.blocks if isinstance(block, kind))


CASES = {
    "labelled": make_report(failures={EVIL: 3, "audio_decode": 9}, shift=1.0),
    "unlabelled": make_report(labelled=False),
    "only foreign labels": make_report(labelled=False, labels={"unmapped": 150, EVIL: 50}),
    "one track": make_report(1),
    "one unlabelled track": make_report(1, labelled=False),
    "no track": make_report(0, labelled=False),
    "all failed": make_report(0, labelled=False, failures={"audio_decode": 4}),
    "old bundle": make_report(shares=None, drift=None, distances=make_distances(HOME, knows_home=False)),
    "old bundle, no track": make_report(0, labelled=False, shares=None, drift=None),
    "all wrong": make_report(
        30,
        metrics=make_metrics([0] * 30, [1] * 30),
        coverage=compute_coverage(np.full(30, 0.5), is_right=np.zeros(30, bool)),
    ),
    "one genre": make_report(20, genres=("only",)),
}


@pytest.mark.parametrize("name", CASES)
def test_every_page_is_whole_and_text_stays_text(name):
    page = make_page(CASES[name], comparisons={(EVIL, "b"): compare_paired(np.ones(9), np.zeros(9))})
    elements = parse(page)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in elements}
    assert not [key for _, attributes in elements for key in attributes if key.startswith("on")]
    # Nothing is fetched; the one address is where the run is, for who follows it.
    addresses = [a[key] for _, a in elements for key in ("src", "href", "xlink:href") if key in a]
    assert [a for a in addresses if not a.startswith(("data:", "#part-"))] == ["https://example.org/#/runs/1"]
    assert {a[:16] for a in addresses if a.startswith("data:")} <= {"data:audio/mpeg;", "data:image/png;b"}
    check_script(page)
    assert page.count("&lt;script&gt;") > 8
    assert "default-src 'none'" in page
    assert not re.search(r"\b(nan|inf|None)\b", text_of(page))
    for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        assert "nan" not in svg
        assert not re.search(r"url\(|\b(id|href)=|xmlns|://", svg)
        ET.fromstring(svg)


def test_a_labelled_page_begins_with_how_right_it_is():
    report = CASES["labelled"]
    titles = [section.title for section in collection_sections(report, examples=EXAMPLES)]
    assert titles == [
        "Genre by genre",
        "What is taken for what",
        "What the collection holds",
        "If it may leave tracks out",
        "Can its confidence be believed?",
        "Listen",
        "Is it like the training tracks?",
        "What is other than in training?",
        "Labels",
        "Tracks that failed",
    ]
    head = collection_headline(report)
    assert head.share == report.metrics.accuracy
    assert head.of.startswith("of 200 labelled tracks right")
    half = report.coverage.accuracy_at(0.5)
    assert f"Of the half that the model is surest of, {percent(half)} are right" in head.remarks


def test_an_unlabelled_page_begins_with_what_there_is():
    report = CASES["unlabelled"]
    sections = collection_sections(report, examples=NOTHING)
    assert [section.title for section in sections] == [
        "What the collection holds",
        "Listen",
        "Is it like the training tracks?",
        "What is other than in training?",
        "Labels",
    ]
    head = collection_headline(report)
    assert (head.share, head.of) == (None, "200 tracks scored, none with a genre that the model knows")
    counted = [dataclasses.replace(line, n_tracks=n) for line, n in zip(report.genres, (90, 60, 50), strict=True)]
    head = collection_headline(dataclasses.replace(report, genres=tuple(counted)))
    assert head.remarks[0] == "Predicted most often: blues, 90 of 200 (45 %)"
    assert "holds where each genre sounds as it does in training" in sections[0].lead


def test_headlines_without_a_scored_track():
    assert collection_headline(CASES["all failed"]).of == "none of 4 tracks could be scored"
    assert collection_headline(CASES["no track"]).of == "no track"


def test_tracks_of_other_labels_are_told_and_not_counted():
    report = make_report(labels={"mapped": 200, "unmapped": 6, "ambiguous": 4, "unlabelled": 7})
    remark = "10 tracks with other labels than the model's genres are not counted"
    assert remark in collection_headline(report).remarks
    rows = block(find(collection_sections(report, examples=NOTHING), "Labels"), Table).rows
    assert [row[:2] for row in rows] == [
        ("a known genre", "200"),
        ("an unknown genre", "6"),
        ("several genres possible", "4"),
        ("no label", "7"),
    ]


def test_labels_taken_for_their_last_words_are_listed():
    taken = TakenLabel(label=EVIL, taken_for="jazz", outcome=LabelOutcome("mapped", "jazz"), n_tracks=12)
    section = find(collection_sections(make_report(taken_labels=(taken,)), examples=NOTHING), "Labels")
    assert "last words" in section.lead
    assert [table.rows for table in section.blocks][1] == ((EVIL, "jazz", "12"),)


def test_badges_say_what_to_know_first():
    assert ("12 failed", "bad") in collection_badges(CASES["labelled"])
    assert ("drift", "bad") in collection_badges(CASES["labelled"])
    assert dict(collection_badges(CASES["unlabelled"]))["unlabelled"] == "plain"
    assert "drift" not in dict(collection_badges(make_report(9)))
    assert dict(collection_badges(make_report(9)))["none failed"] == "good"
    far = make_report(farther=3.0)
    share = f"{percent(far.distances.n_ood / 200)} out-of-distribution"
    assert (share, "bad") in collection_badges(far)


@pytest.mark.parametrize(("n_ood", "n_scored", "style"), [(8, 100, "plain"), (20, 100, "bad"), (1, 3, "plain")])
def test_a_share_of_foreign_tracks_is_bad_beyond_what_home_shows(n_ood, n_scored, style):
    interval = wilson_interval(n_ood, n_scored)
    before = CASES["labelled"].distances
    distances = dataclasses.replace(before, n_ood=n_ood, n_scored=n_scored, ood_interval=interval)
    badges = collection_badges(make_report(n_scored=n_scored, distances=distances))
    assert badges[0] == (f"{percent(n_ood / n_scored)} out-of-distribution", style)


def test_shares_stand_beside_each_other_with_their_notes():
    report = make_report(labelled=False, farther=1.0)
    noted = dataclasses.replace(report.shares, notes=("few validation tracks", EVIL))
    section = collection_sections(dataclasses.replace(report, shares=noted), examples=NOTHING)[0]
    told = [title.text for title in ET.fromstring(str(block(section, Chart).svg)).iter("title")]
    assert told == [
        *(f"{share.genre}: {share.predicted:.2f}" for share in noted.shares),
        *(f"{share.genre}: {share.estimated:.2f}" for share in noted.shares),
    ]
    assert block(section, Listing).lines == noted.notes
    rows = next(b for b in section.blocks if isinstance(b, Table)).rows
    first = noted.shares[0]
    assert rows[0][:2] == ("blues", str(first.n_predicted))
    assert rows[0][3] == f"{first.estimated:.2f} [{first.estimated_low:.2f}, {first.estimated_high:.2f}]"
    assert section.lead.endswith("Tracks called out-of-distribution are left out.")


def test_old_bundles_count_what_was_predicted():
    section = find(collection_sections(CASES["old bundle"], examples=NOTHING), "What the collection holds")
    assert section.lead == "Tracks by predicted genre, as the model says."
    assert len(block(section, Table).rows) == 3


def test_predicted_genres_have_confidence_error_and_distance():
    line = PredictedGenre(genre="blues", n_tracks=40, n_ood=10, mean_confidence=0.754, calibration_error=0.0312)
    none = PredictedGenre(genre=EVIL, n_tracks=0, n_ood=0, mean_confidence=None, calibration_error=None)
    report = make_report(40, labelled=False, genres=GENRES[:2])
    sections = collection_sections(dataclasses.replace(report, genres=(line, none)), examples=NOTHING)
    table = sections[0].blocks[-1]
    assert table.rows == (("blues", "40", "0.75", "0.031", "25 %"), (EVIL, "0", "-", "-", "-"))


def test_accuracy_at_each_coverage_with_the_threshold_for_it():
    confidences = np.linspace(1, 0.01, 100)
    curve = compute_coverage(confidences, is_right=np.arange(100) < 60)
    section = find(
        collection_sections(make_report(100, coverage=curve), examples=NOTHING), "If it may leave tracks out"
    )
    rows = block(section, Table).rows
    assert [(row[0], row[1], row[2][:4], row[3]) for row in rows] == [
        ("100 %", "100", "0.60", "0.010"),
        ("90 %", "90", "0.67", "0.110"),
        ("80 %", "80", "0.75", "0.210"),
        ("50 %", "50", "1.00", "0.510"),
    ]
    # 66 tracks, 60 of them right: the last threshold with 9 of 10 right.
    assert "From a confidence of 0.350 on, which 66 % of the tracks have, 91 % are right" in (
        block(section, Chart).caption
    )
    never = compute_coverage(confidences, is_right=np.zeros(100, bool))
    section = find(
        collection_sections(make_report(100, coverage=never), examples=NOTHING), "If it may leave tracks out"
    )
    assert block(section, Chart).caption == "No threshold makes it right on 90 % of what it accepts."


def test_distances_in_numbers():
    report = CASES["labelled"]
    few = evaluate_detection(HOME[:10], HOME[:5])
    distances = dataclasses.replace(
        report.distances,
        detection={"all": evaluate_detection(HOME, HOME), EVIL: few},
        accepted_accuracy=(3, 4),
        accepted_interval=(0.3, 0.954),
    )
    section = find(
        collection_sections(dataclasses.replace(report, distances=distances), examples=NOTHING),
        "Is it like the training tracks?",
    )
    assert section.lead.startswith(f"{distances.n_ood} of 200 (")
    rows = block(section, Table).rows
    assert rows[0][:2] == ("all", "200")
    assert rows[0][2].startswith("0.50 [")
    assert rows[1][0] == EVIL
    assert rows[1][3] == "-"  # 10 tracks of home are too few for FPR95
    lines = block(section, Listing).lines
    assert lines[0] == f"O{distances.rule.describe()[1:]}"
    assert lines[1] == "Accuracy of the labelled tracks that it accepts: 0.75 [0.30, 0.95] of 4"
    assert isinstance(section.blocks[0], Chart)


def test_without_scores_of_home_there_are_words():
    section = find(collection_sections(CASES["old bundle"], examples=NOTHING), "Is it like the training tracks?")
    assert "does not hold the scores of its held-out tracks" in section.lead
    assert [type(b) for b in section.blocks] == [Listing]
    assert len(section.blocks[0].lines) == 1


def test_drift_is_told_in_words_and_what_moved_in_numbers():
    drift = CASES["labelled"].drift
    section = find(collection_sections(CASES["labelled"], examples=NOTHING), "What is other than in training?")
    assert block(section, Listing).lines == drift.words
    table = block(section, Table)
    assert table.title == f"What moved, in numbers ({sum(d.has_moved for d in drift.features) + 1})"
    assert {row[0] for row in table.rows} == {"rms_dbfs", "mfcc[0]", "mfcc[1]", "mfcc[2]"}
    assert [float(row[1]) for row in table.rows] == sorted((float(row[1]) for row in table.rows), reverse=True)
    still = find(
        collection_sections(make_report(9, shift=0.0), examples=NOTHING), "What is other than in training?"
    )
    assert [type(b) for b in still.blocks] == [Listing]
    unknown = find(collection_sections(CASES["old bundle"], examples=NOTHING), "What is other than in training?")
    assert "does not say what its training tracks are like" in unknown.lead


def test_failures_by_reason_the_commonest_first():
    section = find(collection_sections(CASES["labelled"], examples=NOTHING), "Tracks that failed")
    assert section.lead.startswith("12 of 212 (6 %)")
    assert block(section, Table).rows == (("audio_decode", "9", "4 %"), (EVIL, "3", "1 %"))


def test_every_track_is_shown_once_with_what_is_heard_or_why_nothing_is():
    section = find(collection_sections(CASES["labelled"], examples=EXAMPLES), "Listen")
    groups = [block for block in section.blocks if isinstance(block, Players)]
    n_wrong = CASES["labelled"].metrics.n_labelled - sum(g.n_correct for g in CASES["labelled"].metrics.per_genre)
    assert [group.title for group in groups] == [
        f"The most confident mistakes, 2 of {n_wrong}",
        "Farthest from the training tracks",
    ]
    cards = [card for group in groups for card in group.cards]
    assert [card.place for card in cards] == [0, 1, 2]
    assert [card.note for card in cards] == ["", f"most typical {EVIL}", f"least typical {EVIL}"]
    assert cards[0].audio == f"data:audio/mpeg;base64,{base64.b64encode(b'ID3').decode()}"
    assert cards[0].verdict == f"is {EVIL}, taken for jazz with 99 % confidence; out-of-distribution"
    assert (cards[1].audio, cards[1].why_silent) == ("", f"gone {EVIL}")
    assert (cards[0].heard.left, cards[0].heard.width) == pytest.approx((100 / 3, 100 / 3))
    assert [part.style for part in cards[0].timeline] == ["right", "wrong", "wrong"]
    assert cards[0].timeline[1].words == "0:10 to 0:20: jazz, 90 %"
    page = make_page(CASES["labelled"])
    assert page.count("<audio ") == 1
    assert page.count("Nothing to hear: gone &lt;script&gt;") == 2


def test_cells_and_bars_lead_to_their_tracks():
    page = make_page(CASES["labelled"])
    picks = {a["data-pick"] for _, a in parse(page) if "data-pick" in a}
    evil = urllib.parse.quote(EVIL, safe="")
    assert {f"cell={evil},jazz", "genre=blues", f"predicted={evil}"} <= picks
    shapes = [a for _, a in parse(page) if "data-pick" in a]
    assert all((a["tabindex"], a["role"]) == ("0", "button") for a in shapes)
    # Of an empty cell there is nothing to list.
    n_cells = int((CASES["labelled"].metrics.confusion > 0).sum())
    assert sum(pick.startswith("cell=") for pick in picks) == n_cells
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, flags=re.DOTALL)[1])
    assert data["genres"] == list(GENRES)
    assert data["tracks"][0] == [f"{EVIL}/0.mp3", 1, 2, 0.99, 1, 1]
    assert data["tracks"][1][5] == 0


def test_the_map_knows_where_tracks_and_training_segments_lie():
    places = np.array([[0.12345, 1.0], [np.nan, np.nan], [0.0, 0.5]])
    examples = dataclasses.replace(EXAMPLES, places=places, home_places=np.array([[0.25, 0.5]]))
    page = make_page(CASES["labelled"], examples=examples)
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, flags=re.DOTALL)[1])
    assert [track[6:] for track in data["tracks"]] == [[0.123, 1.0], [], [0.0, 0.5]]
    assert data["home"] == [[0.25, 0.5]]
    assert page.count("<canvas") == 1
    assert "<canvas" not in make_page(CASES["labelled"])


def test_a_page_without_examples_says_so():
    right = make_report(2, metrics=make_metrics([0, 1], [0, 1]))
    assert find(collection_sections(right, examples=NOTHING), "Listen").lead == "No mistake to listen to."


def test_a_comparison_says_who_is_better_where_it_can_be_told():
    a = np.r_[np.ones(60), np.zeros(40)]
    better = compare_paired(a, np.r_[np.ones(30), np.zeros(70)])
    said = describe_comparison("mfcc", "vggish", better)
    assert said[0].startswith("mfcc is right on 30 tracks where vggish is wrong, vggish on 0 where mfcc is wrong")
    assert said[1].startswith("mfcc less vggish: +30.0 percentage points, 95 % interval +")
    assert said[2] == "McNemar's test (mid-p): p under 0.001; mfcc is better by more than chance"
    worse = describe_comparison("mfcc", "vggish", compare_paired(np.zeros(30), np.ones(30)))
    assert worse[2].endswith("vggish is better by more than chance")
    alike = describe_comparison("mfcc", "vggish", compare_paired(a, np.roll(a, 1)))
    assert alike[2].startswith("McNemar's test (mid-p): p = 0.750; no more than chance: a difference of 5 points ")
    same = describe_comparison("mfcc", "vggish", compare_paired(a, a))
    assert same[2] == "They are right on the very same tracks: nothing tells them apart"


def test_a_comparison_shows_both_accuracies():
    comparison = compare_paired(np.r_[np.ones(60), np.zeros(40)], np.r_[np.ones(30), np.zeros(70)])
    section = comparison_section("mfcc", EVIL, comparison)
    svg = ET.fromstring(str(block(section, Chart).svg))
    assert [title.text for title in svg.iter("title")] == ["mfcc: 0.60", f"{EVIL}: 0.30"]
    assert svg.get("aria-label") == f"accuracy of mfcc and of {EVIL} with 95 % intervals"
    assert section.title == f"mfcc against {EVIL}"
    assert [s.title for s in comparison_sections({("a", "b"): comparison, ("a", "c"): comparison})] == [
        "a against b",
        "a against c",
    ]


@pytest.mark.parametrize(
    "url",
    ["https://example.org/#/experiments/1", "http://localhost:5000/?a=b&c", "../mlruns/1/a%20b.html", "a", "/x"],
)
def test_addresses_that_one_may_follow(url):
    link = link_or_text("run", url=url)
    assert link == Link(text="run", url=url)
    page = make_page(CASES["no track"], facts={"run": link})
    assert [a["href"] for _, a in parse(page) if "href" in a and not a["href"].startswith("#part-")] == [url]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "java\nscript:x",
        "data:text/html,x",
        "//example.org",
        "/\\evil",
        "file:///etc",
        "https://",
        "",
        " https://a",
        "https://a b",
        'x"onclick=',
        "\x01javascript:x",
        "vbscript:x",
    ],
)
def test_other_addresses_are_text(url):
    assert link_or_text(EVIL, url=url) == EVIL
    assert link_or_text(EVIL, url=None) == EVIL
    with pytest.raises(ParameterError, match="wanted http, https or a relative address"):
        Link(text="run", url=url)


def test_large_counts_are_brief():
    assert [
        brief(n) for n in (0, 9999, 10_000, 999_499, 999_500, 1_250_000, 9_949_999, 9_950_000, 123_456_789)
    ] == [
        "0",
        "9999",
        "10k",
        "999k",
        "1.0M",
        "1.2M",
        "9.9M",
        "10M",
        "123M",
    ]


def test_shares_that_are_not_whole_are_not_called_so():
    shares = {0: "0 %", 0.001: "under 1 %", 0.005: "under 1 %", 0.5: "50 %", 0.994: "99 %", 0.999: "over 99 %"}
    assert {share: percent(share) for share in shares} == shares
    assert percent(1) == "100 %"


def test_where_it_is_worse():
    bad = Slice(
        part=Part(name=f"label {EVIL}", column="label", value=EVIL),
        n_tracks=30,
        accuracy=0.4,
        low=0.2,
        high=0.6,
        elsewhere=0.8,
        p_value=0.0001,
        p_holm=0.0004,
    )
    luck = dataclasses.replace(
        bad, part=Part(name="container mp3", column="container", value="mp3"), p_value=0.04, p_holm=0.16
    )
    report = make_report(slices=Slices(worst=(bad, luck), n_tested=4))
    section = find(collection_sections(report, examples=NOTHING), "Where it is worse")
    listing, table = section.blocks
    assert listing.lines == (bad.describe(),)
    assert [row[0] for row in table.rows] == [bad.name, luck.name]
    assert EVIL not in make_page(report)
    assert bad.describe() in format_report(report)
    by_luck = make_report(slices=Slices(worst=(luck,), n_tested=4))
    section = find(collection_sections(by_luck, examples=NOTHING), "Where it is worse")
    assert "none is worse" in section.lead
    for nothing in (None, Slices(worst=(), n_tested=0)):
        titles = [one.title for one in collection_sections(make_report(slices=nothing), examples=NOTHING)]
        assert "Where it is worse" not in titles
