"""Labels of tracks by their names and by a CSV, found by joins."""

import unicodedata

import pyarrow as pa
import pytest

from deepsound.config import LabelSettings
from deepsound.data.listing import LeftOut
from deepsound.errors import LabelError
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.listing import LISTING_SCHEMA, Source
from deepsound.spark.track_labels import genre_in_name, label_tracks
from tests.unit.data.test_label_table import read


@pytest.mark.parametrize(
    ("rule", "genres"),
    [
        (
            "parent_dir",
            {"blues/blues.00000.wav": "blues", "deep/er/jazz/x.wav": "jazz", "x.wav": None, "a\n/b/x.wav": "b"},
        ),
        ("top_dir", {"blues/x.wav": "blues", "rock/Artist/Album/1.mp3": "rock", "x.wav": None}),
        (
            "filename_prefix",
            {
                "hiphop_3.wav": "hiphop",
                "a/b/blues.00000.wav": "blues",
                "hip-hop_3_live.wav": "hip-hop",
                "rock-12.mp3": "rock",
                "untitled.mp3": None,
                "12.mp3": None,
                "_.mp3": None,
                "a\nb_1.mp3": "a\nb",
                "no ending 7": "no ending",
            },
        ),
        ("none", {"blues/blues.00000.wav": None}),
        ("tags", {"blues/blues.00000.wav": None}),
    ],
)
def test_genre_from_the_name(spark, rule, genres):
    rows = spark.createDataFrame([(name,) for name in genres], "track_id string")
    found = rows.select("track_id", genre_in_name(rule).alias("genre")).collect()
    assert {row["track_id"]: row["genre"] for row in found} == genres


@pytest.fixture
def label(spark, tmp_path):
    """A function from a CSV's text, or None for their folders, and names of tracks to labels and what is said."""

    def label_names(text, tracks, *, folder=None):
        root = tmp_path / "music"
        (root / "sub").mkdir(parents=True, exist_ok=True)
        (root / (folder or "") / "t.csv").write_text(text or "", encoding="utf-8")
        rows = pa.Table.from_pylist([{"track_id": name, "path": name} for name in tracks], schema=LISTING_SCHEMA)
        source = Source(
            root=HadoopPath(spark, str(root)),
            rows=spark.createDataFrame(rows),
            n_files=len(tracks),
            n_bytes=0,
            left_out=LeftOut(),
        )
        table = str(root / (folder or "") / "t.csv")
        settings = LabelSettings() if text is None else LabelSettings(source="csv", csv=table)
        scratch = HadoopPath(spark, str(tmp_path / "scratch"))
        labelled, said = label_tracks(spark, source, settings, scratch=scratch)
        found = {row["track_id"]: row.asDict() for row in labelled.rows.collect()}
        assert set(found) == set(tracks)
        return found, "\n".join(said).replace(str(root), "ROOT")

    return label_names


def test_the_joins_find_what_is_found_one_by_one(label, tmp_path):
    """Paths in many spellings, against a search in Python."""
    accents = [unicodedata.normalize(form, "Música/ñ.wav") for form in ("NFC", "NFD")]
    tracks = [
        "blues/a b.wav",
        "jazz/c.wav",
        "a\\b.wav",
        "a/b.wav",
        "d,e.wav",
        accents[1],
        "sub/x.wav",
        "alone.wav",
    ]
    root = f"{tmp_path}/music"
    paths = [
        *("blues/a b.wav", "./jazz/../jazz/c.wav", "a\\b.wav", "a/b.wav", '"d,e.wav"', accents[0]),
        *(f"file://{root}/sub/x.wav", f"{root}/elsewhere.wav", "gone/1.wav", "gone/2.wav", "gone/3.wav"),
    ]
    text = "path,genre,artist,year\n" + "".join(f"{path},g{i},a{i % 2},7\n" for i, path in enumerate(paths))
    expected, others = read(text, tracks=tracks, folder=f"file:{root}", roots=(f"file:{root}",))
    assert len(expected) == 7
    found, said = label(text, tracks)
    assert {name: row["genre"] for name, row in found.items() if row["genre"]} == {
        name: row.genre for name, row in expected.items()
    }
    assert said == (
        "ROOT/t.csv: columns not known and not read: year; wanted path and any of genre, artist, split\n"
        f"ROOT/t.csv: 7 of 8 tracks labelled, {len(others)} rows without a file (e.g. '{root}/elsewhere.wav', "
        "'gone/1.wav', 'gone/2.wav')"
    ).replace(root, "ROOT")


def test_folders_that_look_like_albums_are_told_of(label):
    names = [f"{genre}/artist {i}/{genre} album {i}/1.mp3" for genre in ("rock", "jazz") for i in range(40)]
    found, said = label(None, names)
    assert found["jazz/artist 7/jazz album 7/1.mp3"]["genre"] == "jazz album 7"
    assert "genres to 80 files: are these folders albums or artists? labels.from=top_dir takes" in said
    assert label(None, names[:40])[1] == ""
    assert label(None, [f"{i}/1.mp3" for i in range(80)])[1] == ""


def test_paths_are_relative_to_the_csv_or_to_the_input_whichever_names_more(label):
    tracks = ["sub/a.wav", "sub/b.wav", "a.wav"]
    found, _ = label("path,genre\na.wav,x\nb.wav,y\n", tracks, folder="sub")
    assert [found[name]["genre"] for name in tracks] == ["x", "y", None]
    found, _ = label("path,genre\na.wav,x\nsub/b.wav,y\n", tracks, folder="sub")
    assert [found[name]["genre"] for name in tracks] == [None, "y", "x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,genre\njazz/c.wav,a\nx,y\n./jazz/c.wav,b\n", "line 4: labels 'jazz/c.wav' a second time, and diff"),
        ("path,genre,split\nx,a,odd\njazz/c.wav,a,dev\n", "line 3: split is 'dev'; wanted one of train"),
        ("path,genre\nc.wav,a\n", r"none of the 2 tracks: 1 rows without a file \(e.g. 'c.wav'\); .* 'a.wav'"),
        ("path,genre\njazz/c.wav,\n", "none of the 2 tracks: its rows say nothing; a track is called 'a.wav'"),
        ("path,genre\n", "none of the 2 tracks: its rows say nothing"),
        ("path,label,genre\njazz/c.wav,a,\n", "says? nothing; .* not read: the columns label"),
    ],
)
def test_what_is_refused(label, text, message):
    with pytest.raises(LabelError, match=message):
        label(text, ["a.wav", "jazz/c.wav"])
