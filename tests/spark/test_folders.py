"""Folders of results: replaced files, rows that must agree, what a kill leaves, and names that are names."""

import dataclasses
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsound.config import ExtractSettings
from deepsound.errors import InputError, OutputError, SchemaMismatchError
from deepsound.spark import score as score_module
from deepsound.spark.extract import RerunPolicy, extract
from deepsound.spark.features import read_features
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.lease import check_holds_only, remove_leftovers
from deepsound.spark.tables import read_files, read_table
from tests.spark.test_score import cut_into_files, make_tracks, names_in, read_predictions, run

SETTINGS = ExtractSettings(segment_s=1.0, shard_files=2)


class _Killed(BaseException):
    """What a kill would do: nothing behind it is run."""


@pytest.fixture
def viewed(spark, tmp_path):
    """The address of a folder for which Hadoop has a file system of its own, as it has for a cluster's."""
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    conf.set(f"fs.viewfs.mounttable.{tmp_path.name}.link./here", tmp_path.as_uri())
    return f"viewfs://{tmp_path.name}/here"


@pytest.mark.parametrize("place", ["mounted", "viewed"])
def test_a_file_is_replaced_and_never_deleted_first(spark, tmp_path, viewed, monkeypatch, place):
    file = HadoopPath(spark, str(tmp_path) if place == "mounted" else viewed).child("extract.json")
    for text in ("old", "new"):
        file.write_text(text)
        assert file.read_text() == (tmp_path / "extract.json").read_text() == text
        assert names_in(tmp_path) == {"extract.json"}

    def die(*_):
        raise _Killed

    monkeypatch.setattr(HadoopPath, "_replace_by", die)
    with pytest.raises(_Killed):
        file.write_text("half")
    monkeypatch.undo()
    assert (tmp_path / "extract.json").read_text() == "new"
    left = names_in(tmp_path)
    assert len(left) == 2
    folder = HadoopPath(spark, str(tmp_path))
    check_holds_only(folder, {"extract.json"}, output_path="f")
    remove_leftovers(folder, {"extract.json"})
    assert names_in(tmp_path) == {"extract.json"}


def test_what_is_only_named_like_ours_is_not_removed(spark, tmp_path):
    for name in ("metrics.json.part", "metrics.json.1.part", "metrics.json", "thesis.part", "thesis.tex", "part"):
        (tmp_path / name).write_text("years of work")
    folder = HadoopPath(spark, str(tmp_path))
    with pytest.raises(OutputError, match=r"holds part, thesis\.part, thesis\.tex, which is not ours"):
        check_holds_only(folder, {"metrics.json"}, output_path="f")
    remove_leftovers(folder, {"metrics.json"})
    assert names_in(tmp_path) == {"metrics.json", "thesis.part", "thesis.tex", "part"}


def spoil(features, table, change):
    path = features / table / "part-0.parquet"
    pq.write_table(change(pq.read_table(path)), path)


def set_column(table, name, values):
    place = table.schema.get_field_index(name)
    return table.append_column(name, values) if place < 0 else table.set_column(place, name, values)


def copy_table(table):
    return lambda features: shutil.copy(
        features / table / "part-0.parquet", features / table / "part-0 (copy).parquet"
    )


# By name: what becomes of a folder, and what its refusal says.
MALFORMED = {
    "segments copied": (copy_table("segments"), "segments of t0, of which only .* was a file there copied"),
    "tracks copied": (copy_table("tracks"), "tracks holds t0 2 times: was a file there copied"),
    "a segment lost": (lambda f: spoil(f, "segments", lambda t: t.slice(1)), "segments of t0, tracks/ counts"),
    "one segment for another": (
        lambda f: spoil(f, "segments", lambda t: pa.concat_tables([t.slice(1), t.slice(1, 1)])),
        "segments of t0",
    ),
    "two settings": (
        lambda f: spoil(
            f, "tracks", lambda t: set_column(t, "fingerprint", pa.array(["f" * 64] * 5 + ["e" * 64]))
        ),
        "fingerprint eeeeeeeeeeee, extract.json says ffffffffffff: extractions of different settings",
    ),
    "no track_id": (
        lambda f: spoil(f, "segments", lambda t: t.drop_columns(["track_id"])),
        "track_id from .*segments",
    ),
    "feature is text": (
        lambda f: spoil(f, "segments", lambda t: set_column(t, "toy", pa.array(["a"] * t.num_rows))),
        "toy from .*segments: it holds string, wanted a list",
    ),
    "no status": (lambda f: spoil(f, "tracks", lambda t: t.drop_columns(["status"])), "status from .*tracks"),
    "no UTF-8": (lambda f: (f / "extract.json").write_bytes(b"\xff{}"), r"extract\.json: .*utf-8"),
    "a shape of one": (
        lambda f: (f / "extract.json").write_text((f / "extract.json").read_text().replace("[4, 3]", "[1]")),
        r"extract\.json is not what extract writes: features\.toy\.shape",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_features_are_refused_by_spark_too(spark, write_features, name):
    change, message = MALFORMED[name]
    features = write_features(make_tracks(6))
    change(features)
    with pytest.raises((SchemaMismatchError, InputError), match=message) as caught:
        read_features(spark, str(features))
    assert "\n" not in str(caught.value)


# To Spark some of these are patterns, or a partition.
NAMES = ["out [2019]", "out{a,b}", "q*", "a?b", "[", "a\\[b", "genre=x", "a%20b"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_names(spark, write_features, name):
    features = cut_into_files(write_features(make_tracks(6), name=name), 2)
    segments = HadoopPath(spark, str(features)).child("segments").uri
    files = [row["path"] for row in read_files(spark, [segments]).select("path").collect()]
    assert len(files) == 2
    n_rows = read_features(spark, str(features)).segments.count()
    assert n_rows == pq.read_table(str(features / "segments")).num_rows
    # One by one, too: Spark's own way of taking names as they are reads them four times.
    assert read_table(spark, *files).count() == n_rows
    assert read_files(spark, files).select("path").distinct().count() == read_files(spark, files).count() == 2


def test_scores_go_to_a_folder_of_any_name_that_holds_what_a_kill_left(
    spark, tiny_bundle, write_features, tmp_path
):
    """Also with a session that cuts tables into files of two rows."""
    features, output = write_features(make_tracks(6), name="in {a,b} [c] *"), tmp_path / "scores [2019] {a,b} q*"
    output.mkdir()
    for name in ("metrics.json.part", "scorecard.html.1764.part", "comparison.json.1764.part"):
        (output / name).write_text("{")
    spark.conf.set("spark.sql.files.maxRecordsPerFile", "2")
    try:
        run(spark, tiny_bundle, features, output, segments=True)
    finally:
        spark.conf.unset("spark.sql.files.maxRecordsPerFile")
    assert len(read_predictions(output)) == 6
    assert names_in(output) == {"metrics.json", "per_genre", "predictions", "scorecard.html", "segments"}


def test_an_extraction_that_begins_beside_a_scoring_ends_it(
    spark, tiny_bundle, write_features, tmp_path, monkeypatch
):
    features = write_features(make_tracks(6))
    conclude = score_module.conclude

    def begin_first(*args, **kwargs):
        (features / "extract.json").unlink()
        return conclude(*args, **kwargs)

    monkeypatch.setattr(score_module, "conclude", begin_first)
    with pytest.raises(InputError, match=r"an extraction has begun in .* since it was opened"):
        run(spark, tiny_bundle, features, tmp_path / "s")
    assert not (tmp_path / "s" / "metrics.json").exists()


def test_extractions_do_not_mix_whatever_became_of_their_record(spark, clip, tmp_path):
    """To a folder whose name is a pattern, with a session that cuts tables into files of one row."""
    import soundfile

    (tmp_path / "live [1999]").mkdir()
    for number in range(3):
        soundfile.write(tmp_path / "live [1999]" / f"{number}.wav", clip("high", number), 22050)
    output, said = tmp_path / "out [2019] {a,b} q*", []

    def extract_once(settings=SETTINGS, **policy):
        places = (str(tmp_path / "live [1999]"), str(output))
        return extract(*(spark, *places), settings=settings, policy=RerunPolicy(**policy), report=said.append)

    spark.conf.set("spark.sql.files.maxRecordsPerFile", "1")
    try:
        assert extract_once().n_segments == 6
    finally:
        spark.conf.unset("spark.sql.files.maxRecordsPerFile")
    assert extract_once().n_extracted == 0
    read_features(spark, str(output))
    summary = json.loads((output / "extract.json").read_text())
    (output / "extract.json").unlink()
    other = dataclasses.replace(SETTINGS, segment_s=0.5)
    with pytest.raises(OutputError, match=f"tracks with the fingerprint {summary['fingerprint'][:12]}"):
        extract_once(other)
    assert extract_once().n_extracted == 0
    assert json.loads((output / "extract.json").read_text())["fingerprint"] == summary["fingerprint"]
