"""GTZAN known by the names of its files, whatever they lie in, and nothing else taken for it."""

import csv
import pathlib

import pyarrow as pa
import pytest

from deepsound.config import LabelSettings, SourceSettings, SplitSettings
from deepsound.data.groups import LabelledTrack
from deepsound.data.listing import LeftOut
from deepsound.data.splits import split_tracks
from deepsound.evaluation.leakage import TrackIdentity, find_leaks
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.listing import LISTING_SCHEMA, Source
from deepsound.spark.sources import open_source
from deepsound.spark.track_labels import label_tracks

# Beside the checkout, where there is one: clips that are other people's.
MINI = pathlib.Path(__file__).parents[3] / "shared" / "data" / "gtzan_mini"

SAID = (
    "{} of {} tracks are GTZAN's by their names, and get their artists from B. L. Sturm (2012); "
    "labels.gtzan=false leaves them unknown"
)


@pytest.fixture
def label(spark, tmp_path):
    """A function from tracks (names, or names to labels of their own) to their artists, and what is said."""

    def label_names(tracks, **settings):
        own = tracks if isinstance(tracks, dict) else {name: {} for name in tracks}
        rows = [{"track_id": name, "path": name, **labels} for name, labels in own.items()]
        source = Source(
            root=HadoopPath(spark, str(tmp_path)),
            rows=spark.createDataFrame(pa.Table.from_pylist(rows, schema=LISTING_SCHEMA)),
            n_files=len(rows),
            n_bytes=0,
            left_out=LeftOut(),
            n_labelled=sum("genre" in row for row in rows) if settings.get("source") == "source" else 0,
        )
        scratch = HadoopPath(spark, str(tmp_path / "scratch"))
        labelled, said = label_tracks(spark, source, LabelSettings(**settings), scratch=scratch)
        assert labelled.rows.columns == source.rows.columns
        return {row["track_id"]: row["artist"] for row in labelled.rows.collect()}, said

    return label_names


@pytest.mark.parametrize(
    "name",
    [
        "blues/blues.00000.wav",
        "blues/blues.00000.au",
        "genres_original/blues/blues.00000.wav",
        "deep/down/Blues/blues.00000.flac",
        "blues/blues.00000",
    ],
)
def test_in_genre_folders_of_any_layout(label, name):
    assert label([name, "blues/other.wav"]) == (
        {name: "John Lee Hooker", "blues/other.wav": None},
        (SAID.format(1, 2),),
    )


def test_in_one_folder_or_by_the_name_alone(label):
    tracks = ["blues.00000.wav", "pop.00000.wav"]
    assert label(tracks)[0]["blues.00000.wav"] == "John Lee Hooker"
    assert label(tracks, source="filename_prefix")[0]["blues.00000.wav"] == "John Lee Hooker"


def test_a_table_of_audio(label):
    tracks = {
        "blues.00000.wav": {"genre": "blues"},
        "hiphop.00000.wav": {"genre": "Hip-Hop"},
        "blues.00001.wav": {"genre": "jazz"},
        "blues.00002.wav": {"genre": "blues", "artist": "someone"},
        "blues.00003.wav": {},
    }
    artists, said = label(tracks, source="source")
    assert artists == {
        "blues.00000.wav": "John Lee Hooker",
        "hiphop.00000.wav": "Afrika Bambaataa",
        "blues.00001.wav": None,
        "blues.00002.wav": "someone",
        "blues.00003.wav": "John Lee Hooker",
    }
    assert said == (SAID.format(3, 5),)


def test_nothing_else_is_taken_for_gtzan(label):
    tracks = [
        "jazz/blues.00000.wav",
        "shanties/blues.00000.wav",
        "blues/blues.00100.wav",
        "blues/blues.0000.wav",
        "blues/my blues.00000.wav",
        "blues/blues.00000.live.wav",
        "blues/blues.00000.wav/cover.wav",
        "blues/Blues.00000.wav",
        "blues/blues_00000.wav",
        "waltz/waltz.00000.wav",
    ]
    assert label(tracks) == (dict.fromkeys(tracks), ())


def test_a_folder_of_another_genre_tells_where_no_genre_is_named(label):
    assert label({"jazz/blues.00000.wav": {}}, source="source") == ({"jazz/blues.00000.wav": None}, ())


def test_an_unknown_artist_stays_unknown(label):
    assert label(["classical/classical.00059.wav"]) == ({"classical/classical.00059.wav": None}, ())


@pytest.mark.parametrize("settings", [{"gtzan": False}, {"source": "none"}, {"source": "tags"}])
def test_switched_off_or_not_asked_for(label, settings):
    assert label(["blues/blues.00000.wav"], **settings) == ({"blues/blues.00000.wav": None}, ())


@pytest.mark.skipif(not MINI.is_dir(), reason=f"{MINI} is not here: sixty clips of GTZAN")
def test_the_sixty_clips_without_their_manifest_are_split_by_artist(spark, tmp_path):
    scratch = HadoopPath(spark, str(tmp_path / "scratch"))
    source = open_source(spark, str(MINI), SourceSettings(), scratch=scratch)
    labelled, said = label_tracks(spark, source, LabelSettings(), scratch=scratch)
    rows = labelled.rows.collect()
    with (MINI / "manifest.csv").open(encoding="utf-8") as file:
        told = {row["path"]: row["artist"] or None for row in csv.DictReader(file)}
    assert {row["track_id"]: row["artist"] for row in rows} == told
    assert said == (SAID.format(sum(artist is not None for artist in told.values()), 60),)
    tracks = [LabelledTrack(track_id=r["track_id"], genre=r["genre"], artist=r["artist"]) for r in rows]
    identities = [
        TrackIdentity(track_id=path, artist=artist, content_sha256=None) for path, artist in told.items()
    ]
    for seed in range(10):
        splits = split_tracks(tracks, settings=SplitSettings(), seed=seed)
        assert find_leaks(identities, splits=splits) == []
