"""FEATURES folders that extract did not write: each is refused in one line that names the file and the field."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsound.commands.audit import main as audit
from deepsound.data.contract import parse_summary
from deepsound.data.store import read_segments, read_tracks
from deepsound.errors import SchemaMismatchError
from tests.jobs.refusals import expect_refusal

ROWS = [
    {"track_id": f"t{i}", "genre": ("high", "low")[i % 2], "values": np.arange(24.0).reshape(2, 4, 3) + i}
    for i in range(12)
]
DOCUMENT = {
    "fingerprint": "f" * 64,
    "features": {"toy": {"shape": [4, 3]}},
    "settings": {"segment_s": 1.0},
    "versions": {},
    "counts": {"tracks": 12, "segments": 24},
}


def with_value(value, *place):
    """The text of an extract.json with another value at a place, or without the key that stands there."""
    document = json.loads(json.dumps(DOCUMENT))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return json.dumps(document)


SHAPE = ("features", "toy", "shape")
SHAPES = {
    "null": None,
    "text": "ab",
    "a number": 12,
    "one size": [1],
    "three sizes": [1, 4, 3],
    "a size of 0": [0, 3],
    "a negative size": [-4, 3],
    "half a frame": [4.5, 3],
    "sizes in quotes": ["4", "3"],
    "true": [True, 3],
    "more than memory holds": [1 << 27, 1 << 27],
    "a mapping": {"4": 3},
}
# By name: the text of extract.json, and what the refusal names beside the file.
DOCUMENTS = {
    "nothing": ("", ""),
    "no JSON": ("years of work", ""),
    "no UTF-8": (b'{"fingerprint": "\xff\xfe"}', "utf-8"),
    "deep": ("[" * 100_000, "deep"),
    "deep and whole": ('{"settings": ' + "[" * 80 + "]" * 80 + "}", "deep"),
    "a list": ("[]", ""),
    "null": ("null", ""),
    "NaN": (with_value(float("nan"), "settings", "segment_s"), "NaN"),
    "10^30 tracks": (with_value(10**30, "counts", "tracks"), "too large"),
    "an infinite number": ('{"counts": {"tracks": 1e999}}', "too large"),
    **{f"no {key}": (with_value(..., key), key) for key in DOCUMENT},
    **{f"{key} is null": (with_value(None, key), key) for key in DOCUMENT},
    **{f"{key} is a list": (with_value([], key), key) for key in DOCUMENT},
    "an empty fingerprint": (with_value("", "fingerprint"), "fingerprint"),
    "a feature is a list": (with_value([4, 3], "features", "toy"), "features.toy"),
    "no shape": (with_value(..., *SHAPE), "features.toy.shape"),
    **{
        f"a shape that is {name}": (with_value(shape, *SHAPE), "features.toy.shape")
        for name, shape in SHAPES.items()
    },
    "a feature's fingerprint is a number": (with_value(1, "features", "toy", "fingerprint"), "toy.fingerprint"),
    "a network is a list": (with_value([], "features", "toy", "network"), "toy.network"),
    "fewer than no tracks": (with_value(-1, "counts", "tracks"), "counts.tracks"),
    "tracks in quotes": (with_value("12", "counts", "tracks"), "counts.tracks"),
    "a track less": (with_value(11, "counts", "tracks"), "tracks holds 12 rows"),
    "a segment more": (with_value(25, "counts", "segments"), "segments holds 24 rows"),
}


@pytest.fixture
def features(write_features):
    folder = write_features(ROWS)
    (folder / "extract.json").write_text(json.dumps(DOCUMENT))
    return folder


def check_refused(features, capsys, *words):
    assert audit([str(features), "--set", "feature=toy", "--repeats", "0"]) == 2
    expect_refusal(capsys, "schema_mismatch", *words)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents(features, capsys, name):
    text, field = DOCUMENTS[name]
    (features / "extract.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    check_refused(features, capsys, "extract.json", field)


def change(table, **columns):
    """The table with other values in some columns; without those that are None."""
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        if values is None:
            table = table.remove_column(place)
        elif place < 0:
            table = table.append_column(name, values)
        else:
            table = table.set_column(place, name, values)
    return table


def toys(kind, value):
    """What gives segments another feature."""
    return lambda table: change(table, toy=pa.array([value] * 24, kind))


def keys(name, value, kind=None):
    """What gives segments another key."""
    return lambda table: change(table, **{name: pa.array([value] * 24, kind)})


def facts(name, value, kind=None, *, last=None):
    """What gives tracks another value, the last of them perhaps one of its own."""
    return lambda table: change(table, **{name: pa.array([value] * 11 + [last or value], kind)})


NUMBERS = [0.5] * 12
LISTS = pa.list_(pa.float32())
# By name: the table, what becomes of it, and what the refusal names beside the table.
TABLES = {
    "feature is text": ("segments", toys(pa.string(), "a"), "toy"),
    "feature is a number": ("segments", toys(pa.float32(), 1.0), "toy"),
    "feature is a list of text": ("segments", toys(pa.list_(pa.string()), ["a"] * 12), "toy"),
    "feature is a list of integers": ("segments", toys(pa.list_(pa.int64()), [1] * 12), "toy"),
    "feature is a list of one size": ("segments", toys(pa.list_(pa.float32(), 12), NUMBERS), "toy"),
    "feature is a list of lists": ("segments", toys(pa.list_(LISTS), [NUMBERS]), "toy"),
    "no feature": ("segments", lambda t: change(t, toy=None), "toy"),
    "feature twice": ("segments", lambda t: t.append_column("toy", t["toy"]), "toy"),
    "feature is null": ("segments", toys(LISTS, None), "toy"),
    "feature is short": ("segments", toys(LISTS, NUMBERS[1:]), "toy"),
    "a number is null": ("segments", toys(LISTS, [*NUMBERS[1:], None]), "toy"),
    "infinite": ("segments", toys(LISTS, [*NUMBERS[1:], float("inf")]), "toy"),
    "segments without track_id": ("segments", lambda t: change(t, track_id=None), "track_id"),
    "segments of nobody": ("segments", keys("track_id", None, pa.string()), "track_id"),
    "segments of numbers": ("segments", lambda t: change(t, track_id=pa.array(range(24))), "track_id"),
    "segments of strangers": ("segments", keys("track_id", "x"), "segments of"),
    "no segment_index": ("segments", lambda t: change(t, segment_index=None), "segment_index"),
    "segment_index is text": ("segments", keys("segment_index", "0"), "segment_index"),
    "segment_index is null": ("segments", keys("segment_index", None, pa.int32()), "segment_index"),
    "segment_index is 0": ("segments", keys("segment_index", 0), "segment_index"),
    "no segments": ("segments", lambda t: t.slice(0, 0), "segments of t0"),
    "a segment less": ("segments", lambda t: t.slice(1), "segments of t0"),
    "every segment twice": ("segments", lambda t: pa.concat_tables([t, t]), "segments of t0"),
    "no track_id": ("tracks", lambda t: change(t, track_id=None), "track_id"),
    "track_id is a number": ("tracks", lambda t: change(t, track_id=pa.array(range(12))), "track_id"),
    "track_id is null": ("tracks", facts("track_id", None, pa.string()), "track_id"),
    "every track twice": ("tracks", lambda t: pa.concat_tables([t, t]), "t0 2 times"),
    "no status": ("tracks", lambda t: change(t, status=None), "status"),
    "a status of its own": ("tracks", facts("status", "fine"), "status"),
    "status is null": ("tracks", facts("status", None, pa.string()), "status"),
    "no n_segments": ("tracks", lambda t: change(t, n_segments=None), "n_segments"),
    "n_segments is text": ("tracks", facts("n_segments", "2"), "n_segments"),
    "no genre": ("tracks", lambda t: change(t, genre=None), "genre"),
    "genre is a number": ("tracks", lambda t: change(t, genre=pa.array(range(12))), "genre"),
    "genre is a list": ("tracks", facts("genre", ["high"]), "genre"),
    "duration_s is text": ("tracks", facts("duration_s", "10"), "duration_s"),
    "fingerprint is a number": ("tracks", lambda t: change(t, fingerprint=pa.array(range(12))), "fingerprint"),
    "other settings": ("tracks", facts("fingerprint", "e" * 64), "eeeeeeeeeeee"),
    "some of other settings": ("tracks", facts("fingerprint", "f" * 64, last="e" * 64), "eeeeeeeeeeee"),
    "some of none": ("tracks", lambda t: change(t, fingerprint=pa.array([*["f" * 64] * 11, None])), "None"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(features, capsys, name):
    table, spoil, field = TABLES[name]
    path = features / table / "part-0.parquet"
    pq.write_table(spoil(pq.read_table(path)), path)
    check_refused(features, capsys, str(features), table if "twice" not in name else "", field)


FOLDERS = {
    "no tracks": lambda features: shutil.rmtree(features / "tracks"),
    "no segments": lambda features: shutil.rmtree(features / "segments"),
    "tracks are no Parquet": lambda features: (features / "tracks" / "part-0.parquet").write_text("years of work"),
    "segments are cut off": lambda features: cut(features / "segments" / "part-0.parquet"),
    "segments are copied": lambda features: shutil.copy(
        features / "segments" / "part-0.parquet", features / "segments" / "part-0 (copy).parquet"
    ),
    "tracks are copied": lambda features: shutil.copy(
        features / "tracks" / "part-0.parquet", features / "tracks" / "part-0 (copy).parquet"
    ),
}


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("name", FOLDERS)
def test_folders(features, capsys, name):
    FOLDERS[name](features)
    check_refused(features, capsys, str(features), "tracks" if "tracks" in name else "segments")


def test_what_is_as_it_should_be_or_older(features):
    """Rows of before there were fingerprints, text in each of its spellings, and what a later version adds."""
    tracks = features / "tracks" / "part-0.parquet"
    assert read_tracks(str(features)).num_rows == 12
    for name, kind in (("genre", pa.large_string()), ("track_id", pa.dictionary(pa.int32(), pa.string()))):
        table = pq.read_table(tracks)
        pq.write_table(change(table, **{name: table[name].cast(kind)}), tracks)
    pq.write_table(
        change(pq.read_table(tracks), fingerprint=pa.array(["f" * 64] * 12), new=pa.array(range(12))), tracks
    )
    (features / "extract.json").write_text(with_value({"shape": [4, 3], "new": [1]}, "features", "toy"))
    assert read_tracks(str(features)).schema.field("track_id").type == pa.string()
    assert len(read_segments(str(features), names=["toy"]).track_ids) == 24
    assert len(read_segments(str(features), names=["toy"], track_ids=["t3"]).track_ids) == 2


def test_a_document_keeps_what_it_does_not_know():
    summary = parse_summary(with_value({"shape": [4, 3], "new": [1]}, "features", "toy"), where="f")
    assert summary.features == {"toy": {"shape": [4, 3], "new": [1]}}
    assert (summary.layout_of("toy").shape, summary.fingerprint_of("toy"), summary.network_of("toy")) == (
        *((4, 3), "f" * 64),
        None,
    )
    with pytest.raises(SchemaMismatchError, match=r"^f/extract\.json is not what extract writes: "):
        parse_summary("{}", where="f")


# To Spark's readers some of these are patterns, to pyarrow's an escaped space, a hidden folder or a partition.
NAMES = ["out [2019]", "out{a,b}", "q*", "a?b", "[", "a%20b", "genre=x", "_out", ".out", "take 5: live", "größe"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_names(features, name, monkeypatch):
    folder = features.rename(features.parent / name)
    monkeypatch.chdir(features.parent)
    for location in (str(folder), f"file://{folder}", name):
        assert read_tracks(location).column_names[0] == "track_id"
        assert len(read_segments(location, names=["toy"]).track_ids) == 24


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/music/gtzan_mini/", "gtzan_mini"),
        ("/music/gtzan.v2", "gtzan.v2"),
        ("s3://bucket/covers/manifest.csv", "covers"),
        ("lists/covers.parquet", "covers"),
        (".", "features"),
        (None, "features"),
    ],
)
def test_a_collection_is_called_after_its_music(source, name):
    document = DOCUMENT if source is None else {**DOCUMENT, "input": source}
    assert parse_summary(json.dumps(document), where="f").name_collection("demo/features") == name
