"""Schemas as `datasets` writes them, read back from Parquet files; and what else may stand there."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsound.config import SPLIT_NAMES
from deepsound.errors import InputError
from deepsound.sources.audio_table import find_audio_columns, split_of_file

AUDIO = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def schema_of(features=None, /, **types):
    metadata = None if features is None else {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(types, metadata=metadata)


def find(schema, **asked):
    return find_audio_columns(schema, where="x.parquet", **asked)


def test_a_file_as_datasets_writes_it(tmp_path):
    names = ["blues", "hip hop", "jazz"]
    features = {
        "audio": {"sampling_rate": 22050, "_type": "Audio"},
        "genre": {"names": names, "_type": "ClassLabel"},
        "artist": {"dtype": "string", "_type": "Value"},
    }
    schema = schema_of(features, artist=pa.string(), audio=AUDIO, genre=pa.int64())
    rows = [{"artist": "Ann", "audio": {"bytes": b"RIFF", "path": "a.wav"}, "genre": 1}]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "x.parquet")
    found = find(pq.read_schema(tmp_path / "x.parquet"))
    assert (found.audio, found.label, found.artist, found.split) == ("audio", "genre", "artist", None)
    assert found.class_names == tuple(names)


@pytest.mark.parametrize(
    "kind",
    [
        pa.struct({"path": pa.string(), "bytes": pa.binary()}),
        pa.struct({"bytes": pa.large_binary(), "path": pa.large_string()}),
        pa.struct({"bytes": pa.binary(), "path": pa.string(), "sampling_rate": pa.int32()}),
    ],
)
def test_the_column_of_audio_is_told_by_its_type(kind):
    assert find(schema_of(text=pa.string(), song=kind)).audio == "song"


@pytest.mark.parametrize(
    "kind",
    [
        pa.binary(),
        pa.string(),
        pa.struct({"bytes": pa.binary()}),
        pa.struct({"bytes": pa.string(), "path": pa.string()}),
        pa.struct({"bytes": pa.binary(), "path": pa.int64()}),
        pa.struct({"array": pa.list_(pa.float32()), "path": pa.string()}),
        pa.list_(AUDIO),
    ],
)
def test_other_types_are_no_audio(kind):
    with pytest.raises(InputError, match=r"^x\.parquet has no column of audio.*'label', 'sound'$"):
        find(schema_of(label=pa.string(), sound=kind))
    with pytest.raises(InputError, match=r"^x\.parquet: column 'sound' \(source\.audio\) is .*; wanted"):
        find(schema_of(song=AUDIO, sound=kind), audio="sound")


def test_of_several_columns_one_is_to_be_chosen():
    schema = schema_of(left=AUDIO, right=AUDIO)
    with pytest.raises(
        InputError, match=r"several columns of audio: 'left', 'right'; choose one by source\.audio"
    ):
        find(schema)
    assert find(schema, audio="right").audio == "right"
    with pytest.raises(InputError, match=r"no column 'middle' \(source\.audio\), but 'left', 'right'"):
        find(schema, audio="middle")


def test_an_image_is_no_audio_where_the_metadata_says_so():
    features = {"cover": {"_type": "Image"}, "audio": {"_type": "Audio"}, "odd": ["Image"]}
    assert find(schema_of(features, cover=AUDIO, audio=AUDIO)).audio == "audio"


@pytest.mark.parametrize(
    ("types", "label"),
    [
        ({"labels": pa.string(), "label": pa.int8(), "genre": pa.large_string()}, "genre"),
        ({"labels": pa.string(), "label": pa.uint16(), "genres": pa.list_(pa.string())}, "label"),
        ({"labels": pa.dictionary(pa.int32(), pa.string())}, "labels"),
        ({"label": pa.float64()}, None),
        ({"label": pa.bool_()}, None),
        ({"Genre": pa.string()}, None),
    ],
)
def test_the_column_of_labels_is_the_first_of_use(types, label):
    assert find(schema_of(audio=AUDIO, **types)).label == label


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.float32(), pa.bool_(), pa.struct({"x": pa.string()})])
def test_a_column_of_labels_that_was_asked_for_is_of_use_or_refused(kind):
    schema = schema_of(audio=AUDIO, label=pa.string(), mood=pa.string(), odd=kind)
    assert find(schema, label="mood").label == "mood"
    with pytest.raises(
        InputError, match=r"^x\.parquet: column 'odd' \(source\.label\) is .*; wanted strings or int"
    ):
        find(schema, label="odd")
    with pytest.raises(
        InputError, match=r"no column 'none' \(source\.label\), but 'audio', 'label', 'mood', 'odd'"
    ):
        find(schema, label="none")


def test_artist_and_split_are_strings():
    found = find(schema_of(audio=AUDIO, artist=pa.string(), split=pa.string()))
    assert (found.artist, found.split) == ("artist", "split")
    found = find(schema_of(audio=AUDIO, artist=pa.int64(), split=pa.list_(pa.string())))
    assert (found.artist, found.split) == (None, None)


@pytest.mark.parametrize(
    "feature",
    [
        {"_type": "Value", "names": ["a"]},
        {"_type": "ClassLabel"},
        {"_type": "ClassLabel", "names": "abc"},
        {"_type": "ClassLabel", "names": ["a", 1]},
        {"_type": "ClassLabel", "names": {"0": "a"}},
        ["ClassLabel"],
        None,
    ],
)
def test_integers_without_names_mean_themselves(feature):
    found = find(schema_of({"label": feature}, audio=AUDIO, label=pa.int64()))
    assert (found.label, found.class_names) == ("label", ())


def test_only_integers_have_class_names():
    features = {"label": {"_type": "ClassLabel", "names": ["a"]}}
    assert find(schema_of(features, audio=AUDIO, label=pa.string())).class_names == ()
    assert find(schema_of(features, audio=AUDIO, label=pa.int64())).class_names == ("a",)


NAMES = b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a"]}}}}'


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", b'{"info": 1}', b'{"info": {"features": []}}', b"[" * 3000]
)
def test_damaged_metadata_says_nothing(content):
    assert class_names_by(NAMES) == ("a",)
    assert class_names_by(content) == ()


def test_metadata_without_end_is_not_read():
    assert class_names_by(NAMES.ljust(16 << 20)) == ("a",)
    assert class_names_by(NAMES.ljust((16 << 20) + 1)) == ()


def class_names_by(content):
    schema = pa.schema({"audio": AUDIO, "label": pa.int64()}, metadata={"huggingface": content})
    return find(schema).class_names


def test_a_table_of_many_columns_is_told_in_one_line():
    with pytest.raises(InputError, match=r"'c19' and 480 more$"):
        find(schema_of(**{f"c{i}": pa.int8() for i in range(500)}))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("data/train-00000-of-00002.parquet", "train"),
        ("validation/0000.parquet", "validation"),
        ("test.parquet", "test"),
        ("data/my_val.2.parquet", "validation"),
        ("default/partial-train/0000.parquet", "train"),
        ("dev-clean/x.parquet", "validation"),
        ("eval/x.parquet", "test"),
        ("Testing/x.parquet", "test"),
        ("test/train.parquet", "train"),
        ("train/test/x.parquet", "test"),
        ("train/train-test.parquet", None),
        ("trainspotting.parquet", None),
        ("contest/latest.parquet", None),
        ("train0/x.parquet", None),
        ("data/0000.parquet", None),
        ("", None),
    ],
)
def test_splits_in_names_of_files(name, split):
    assert split_of_file(name) == split
    assert split in (None, *SPLIT_NAMES)
