import pytest

from deepsound.errors import LeakageError
from deepsound.evaluation.leakage import (
    LeakAudit,
    TrackIdentity,
    check_leaks,
    count_leaks,
    describe_leak,
    find_leaks,
    leak_rows,
)
from deepsound.evaluation.near_duplicates import NearDuplicate

TRACKS = [
    TrackIdentity(track_id="1", artist="x", content_sha256="s1"),
    TrackIdentity(track_id="2", artist="x", content_sha256="s2"),
    TrackIdentity(track_id="3", artist=None, content_sha256="s2"),
    TrackIdentity(track_id="4", artist=None, content_sha256=None),
    TrackIdentity(track_id="5", artist=None, content_sha256=None),
]
SPLITS = {"1": "train", "2": "test", "3": "train", "4": "test", "5": "test"}


def pair(first, second, ratio=0.031):
    return NearDuplicate(first=first, second=second, view="course", ratio=ratio, n_expected=1e-9)


def found(splits=SPLITS, **options):
    return [(leak.reason, leak.track_ids, leak.splits) for leak in find_leaks(TRACKS, splits=splits, **options)]


def test_tracks_contents_and_artists():
    assert found() == [
        ("content", ("2", "3"), ("test", "train")),
        ("artist", ("1", "2"), ("train", "test")),
    ]


def test_near_duplicates_once_and_only_across_splits():
    pairs = [pair(0, 3), pair(1, 3), pair(1, 2), pair(0, 2)]
    assert [leak for leak in found(near_duplicates=pairs) if leak[0] == "near-duplicate"] == [
        ("near-duplicate", ("1", "4"), ("train", "test"))
    ]


def test_tracks_without_a_split_and_one_split_do_not_leak():
    assert found({"1": "train", "4": "train"}, near_duplicates=[pair(0, 3), pair(0, 2)]) == []
    assert [leak[0] for leak in found(dict.fromkeys("1234", "train"))] == []


def test_another_division_of_the_same_tracks():
    audit = LeakAudit(tracks=tuple(TRACKS), near_duplicates=(pair(0, 3),), leaks=())
    folds = {"1": "fold 1", "2": "fold 1", "3": "fold 1", "4": "fold 2"}
    assert [leak.track_ids for leak in audit.across(folds)] == [("1", "4")]
    unknown = LeakAudit(tracks=tuple(TRACKS), near_duplicates=None, leaks=())
    assert unknown.across(folds) == []


def test_the_error_names_one_of_each_kind_and_what_to_do():
    leaks = find_leaks(TRACKS, splits=SPLITS, near_duplicates=[pair(0, 3)])
    with pytest.raises(LeakageError) as caught:
        check_leaks(leaks)
    message = str(caught.value)
    assert message.startswith("3 leaks between the splits (1 content, 1 artist, 1 near-duplicate)")
    for words in ("content 's2': 2 (test), 3 (train)", "artist 'x': 1 (train), 2 (test)"):
        assert words in message
    for words in (
        "duplicates=drop",
        "split.by=artist",
        "take one of each pair",
        "split.files",
        "allow_leaks=true",
    ):
        assert words in message
    check_leaks([])


def test_an_artist_of_many_tracks_is_told_shortly_by_tracks_of_both_sides():
    many = [TrackIdentity(track_id=f"t{i:02}", artist="y", content_sha256=None) for i in range(30)]
    [leak] = find_leaks(many, splits={t.track_id: "test" if t.track_id == "t29" else "train" for t in many})
    short = describe_leak(leak, max_tracks=3)
    assert short == "artist 'y': t00 (train), t01 (train), t29 (test) and 27 more"
    assert describe_leak(leak).count("(train)") == 29


def test_words_and_rows():
    leaks = find_leaks(TRACKS, splits=SPLITS, near_duplicates=[pair(0, 3)])
    assert count_leaks([]) == "no leaks"
    assert count_leaks(leaks[:1]) == "1 leak (1 content)"
    assert describe_leak(leaks[-1]) == "near-duplicate (course at 0.03 of the usual distance): 1 (train), 4 (test)"
    assert leak_rows(leaks)[0] == {
        "reason": "content",
        "shared": "s2",
        "track_ids": ["2", "3"],
        "splits": ["test", "train"],
    }
