"""GTZAN's facts as they come with the package, and what the default split makes of them."""

from collections import Counter, defaultdict

import pytest

from deepsound.config import SplitSettings
from deepsound.data.folds import grouped_folds
from deepsound.data.gtzan import GTZAN_GENRES, fault_filtered_lists, read_gtzan_tracks
from deepsound.data.split_files import match_split_lists
from deepsound.data.splits import LabelledTrack, split_tracks

SHARES = {"test": 200, "validation": 150, "train": 650}
TRACKS = [
    LabelledTrack(track_id=track.name, genre=track.name.split(".")[0], artist=track.artist)
    for track in read_gtzan_tracks()
]


def test_a_thousand_tracks_a_hundred_a_genre():
    names = [track.name for track in read_gtzan_tracks()]
    assert names == [f"{genre}.{number:05d}" for genre in GTZAN_GENRES for number in range(100)]
    artists = {track.name: track.artist for track in read_gtzan_tracks()}
    assert artists["reggae.00000"] == "Bob Marley"
    assert sum(artist is None for artist in artists.values()) == 81
    assert sum(artist == "Bob Marley" for artist in artists.values()) == 35


def test_the_split_without_faults():
    lists = fault_filtered_lists()
    assert {split: len(names) for split, names in lists.items()} == {"train": 443, "validation": 197, "test": 290}
    files = [f"genres_original/{track.name.split('.')[0]}/{track.name}.wav" for track in read_gtzan_tracks()]
    listed = match_split_lists(files, lists)
    assert len(listed.splits) == 930
    assert listed.describe_unknown() == []


@pytest.mark.parametrize("seed", range(60))
def test_shares_of_the_default_split(seed):
    """What thresholds on hashes made 127 to 302 of 200 tracks, and 1 to 65 of a genre's 20."""
    splits = split_tracks(TRACKS, settings=SplitSettings(), seed=seed)
    counts = Counter(splits.values())
    by_genre = Counter((track.genre, splits[track.track_id]) for track in TRACKS)
    artists = defaultdict(set)
    sides = defaultdict(set)
    for track in TRACKS:
        artists[track.genre, splits[track.track_id]].add(track.artist or track.track_id)
        sides[track.artist].add(splits[track.track_id])
    for split, wanted in SHARES.items():
        assert abs(counts[split] - wanted) <= 10
        off = [abs(by_genre[genre, split] - wanted / 10) for genre in GTZAN_GENRES]
        # Coleman Hawkins has 28 of the hundred jazz tracks, Britney Spears 24 of the pop.
        assert max(off) <= 10
        assert sum(off) / 10 <= 3
        assert all(len(artists[genre, split]) >= 2 for genre in GTZAN_GENRES)
    assert all(len(side) == 1 for artist, side in sides.items() if artist)


def test_folds_hold_every_genre_alike():
    for seed in range(5):
        folds = grouped_folds(TRACKS, n_folds=5, by="artist", seed=seed)
        sizes = Counter(folds.values())
        assert max(sizes.values()) - min(sizes.values()) <= 40
        by_genre = Counter((track.genre, folds[track.track_id]) for track in TRACKS)
        # 35 reggae tracks of 100 are by Bob Marley.
        assert all(abs(by_genre[genre, fold] - 20) <= 17 for genre in GTZAN_GENRES for fold in range(5))
