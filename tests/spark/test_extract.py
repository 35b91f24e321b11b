"""Extraction in Spark: it must equal the pure function, lose nothing and refuse what would destroy."""

import json
import pathlib
import shutil
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from pyspark.sql import functions as F

from deepsound.config import ExtractSettings, LabelSettings
from deepsound.errors import InputError, LabelError, OutputError, TooManyFailuresError, UnknownFeatureError
from deepsound.features.registry import find_features, load_extractors
from deepsound.features.track import extract_track
from deepsound.spark import extract as extract_module
from deepsound.spark import extract_job
from deepsound.spark.contents import SourceFile, deal_by_size, map_files
from deepsound.spark.extract import extract
from deepsound.spark.outcomes import OutcomeWriter
from deepsound.spark.schemas import TRACK_FIELDS, segment_fields
from deepsound.spark.sources import open_source

SETTINGS = ExtractSettings(segment_s=1.0, max_bytes=400_000)


def silent(_: str) -> None:
    """Nobody reads progress here."""


@pytest.fixture(scope="module")
def messy(tmp_path_factory, clip):
    """A folder as people have them: odd names, odd formats, broken files, and things that are no music."""
    root = tmp_path_factory.mktemp("messy [2024] 100%")
    (root / "high" / "live [1999]").mkdir(parents=True)
    (root / "low").mkdir()
    soundfile.write(root / "high" / "ünï cödé #1.wav", clip("high", 0), 22050)
    soundfile.write(root / "high" / "live [1999]" / "a+b%20c.FLAC", clip("high", 1, sample_rate_hz=44100), 44100)
    stereo = np.stack([clip("low", 2, sample_rate_hz=16000), clip("noise", 2, sample_rate_hz=16000)], axis=1)
    soundfile.write(root / "low" / "stereo.ogg", stereo, 16000)
    soundfile.write(root / "low" / "lossy.mp3", clip("low", 3), 22050)
    soundfile.write(root / "rootless.wav", clip("noise", 4, duration_s=1.2), 22050)
    soundfile.write(root / "low" / "short.wav", clip("low", 5, duration_s=0.3), 22050)
    soundfile.write(root / "low" / "silent.wav", np.zeros(40000, np.float32), 22050)
    soundfile.write(root / "low" / "big.wav", clip("low", 6, duration_s=10), 22050)
    (root / "low" / "empty.wav").write_bytes(b"")
    (root / "low" / "text.wav").write_text("this is not music\n" * 50)
    (root / "low" / "cut.flac").write_bytes((root / "high" / "live [1999]" / "a+b%20c.FLAC").read_bytes()[:60])
    (root / "low" / "foreign.ape").write_bytes(b"MAC " + bytes(200))
    (root / "low" / "hollow.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(200))
    (root / "cover.jpg").write_bytes(b"\xff\xd8")
    (root / "manifest.csv").write_text("path,genre\n")
    return root


@pytest.fixture(scope="module")
def features(spark, messy, tmp_path_factory):
    output = tmp_path_factory.mktemp("out") / "features"
    extract(spark, str(messy), str(output), settings=SETTINGS, report=silent)
    return output


def test_every_audio_file_is_one_row(features, messy):
    rows = pq.read_table(features / "tracks").to_pylist()
    on_disk = {str(p.relative_to(messy)) for p in messy.rglob("*") if p.is_file()} - {"cover.jpg", "manifest.csv"}
    assert Counter(row["track_id"] for row in rows) == Counter(on_disk)
    assert Counter(row["status"] for row in rows) == {"ok": 5, "failed": 8}


def test_each_failure_says_what_and_where(features):
    rows = {row["track_id"]: row for row in pq.read_table(features / "tracks").to_pylist()}
    failures = {k: (r["error_stage"], r["error_code"]) for k, r in rows.items() if r["status"] == "failed"}
    assert failures == {
        "low/short.wav": ("signal", "too_short"),
        "low/silent.wav": ("signal", "silent"),
        "low/big.wav": ("read", "too_large"),
        "low/empty.wav": ("read", "empty"),
        "low/text.wav": ("decode", "unsupported_format"),
        "low/cut.flac": ("decode", "unreadable"),
        "low/foreign.ape": ("decode", "unreadable"),
        "low/hollow.m4a": ("decode", "unreadable"),
    }
    assert all(rows[name]["error_detail"] for name in failures)
    assert rows["low/big.wav"]["size_bytes"] > 400_000


def test_rows_equal_the_pure_function(features, messy):
    extractors = load_extractors(find_features(["mfcc"]))
    segments = pq.read_table(features / "segments").to_pylist()
    assert len(segments) == 9
    for row in segments:
        with (messy / row["track_id"]).open("rb") as file:
            outcome = extract_track(file, extractors=extractors, settings=SETTINGS)
        expected = outcome.segments[row["segment_index"]]
        assert (row["start_s"], row["duration_s"]) == (expected.span.start_s, expected.span.duration_s)
        # Only the order of float32 sums may differ: the worker has one numeric thread, this process more.
        np.testing.assert_allclose(np.float32(row["mfcc"]), expected.arrays["mfcc"].ravel(), atol=1e-4)


def test_track_facts_and_labels(features):
    rows = {row["track_id"]: row for row in pq.read_table(features / "tracks").to_pylist()}
    stereo = rows["low/stereo.ogg"]
    assert (stereo["sample_rate_hz"], stereo["n_channels"], stereo["container"]) == (16000, 2, "ogg")
    assert stereo["genre"] == "low"
    assert stereo["n_segments"] == 2
    assert stereo["duration_s"] == pytest.approx(2.0)
    assert -60 < stereo["rms_dbfs"] < 0 < stereo["peak"] <= 1
    assert rows["rootless.wav"]["genre"] is None
    assert rows["high/live [1999]/a+b%20c.FLAC"]["genre"] == "live [1999]"


def test_tables_have_exactly_the_contract_columns(features):
    tracks, segments = (pq.read_table(features / name) for name in ("tracks", "segments"))
    assert [(f.name, f.type) for f in tracks.schema] == [(f.name, f.type) for f in TRACK_FIELDS]
    assert segments.schema.names == [field.name for field in segment_fields(("mfcc",))]
    assert str(segments.schema.field("mfcc").type.value_type) == "float"


def test_summary_counts_what_is_there(features):
    summary = json.loads((features / "extract.json").read_text())
    assert summary["counts"] == {"tracks": 13, "ok": 5, "failed": 8, "segments": 9}
    assert summary["features"]["mfcc"]["shape"] == [44, 13]
    assert summary["settings"]["segment_s"] == 1.0
    assert len(summary["fingerprint"]) == 64
    assert {row["fingerprint"] for row in pq.read_table(features / "tracks").to_pylist()} == {
        summary["fingerprint"]
    }


def test_too_many_failures_are_told_after_everything_is_written(spark, messy, tmp_path):
    result = extract(spark, str(messy), str(tmp_path / "f"), settings=SETTINGS, report=silent)
    assert (tmp_path / "f" / "extract.json").exists()
    result.check_failures(0.65)
    with pytest.raises(TooManyFailuresError, match=r"8 of 13 tracks failed .*1 too_large"):
        result.check_failures(0.5)


def test_a_file_that_disappears_after_listing_is_a_failed_row(spark, music, tmp_path, monkeypatch):
    root = tmp_path / "music"
    shutil.copytree(music / "high", root / "high")

    def list_then_lose(*args, **kwargs):
        listing = open_source(*args, **kwargs)
        (root / "high" / "high.00003.wav").unlink()
        return listing

    monkeypatch.setattr(extract_module, "open_source", list_then_lose)
    extract(spark, str(root), str(tmp_path / "f"), settings=ExtractSettings(segment_s=1.0), report=silent)
    rows = {r["track_id"]: r for r in pq.read_table(tmp_path / "f" / "tracks").to_pylist()}
    assert len(rows) == 8
    lost = rows["high/high.00003.wav"]
    assert (lost["status"], lost["error_stage"], lost["error_code"]) == ("failed", "read", "unreadable")


def test_after_lost_workers_each_file_has_a_task_of_its_own(spark, music, tmp_path, monkeypatch):
    n_tasks, lines = [], []

    def lose_workers_first(*args, **kwargs):
        rows = map_files(*args, **kwargs)
        n_tasks.append(rows.rdd.getNumPartitions())
        lost = F.raise_error(F.lit("Python worker exited unexpectedly")).isNull()
        return rows.where(lost) if len(n_tasks) == 1 else rows

    monkeypatch.setattr(extract_job, "map_files", lose_workers_first)
    settings = ExtractSettings(segment_s=1.0)
    result = extract(spark, str(music), str(tmp_path / "f"), settings=settings, report=lines.append)
    assert (result.n_ok, n_tasks[0] < 24, n_tasks[1:]) == (24, True, [24])
    assert "a worker was lost several times over the same files: trying them one by one, each with care" in lines


def test_labels_from_csv_in_another_folder(spark, music, tmp_path):
    table = music.parent / "labels.csv"
    lines = (music / "manifest.csv").read_text().splitlines()
    prefixed = [f"{music.name}/{line},train" for line in lines[1:9]]
    table.write_text("\n".join(["path,genre,artist,split", *prefixed]))
    settings = ExtractSettings(segment_s=1.0, labels=LabelSettings(source="csv", csv=str(table)))
    extract(spark, str(music), str(tmp_path / "f"), settings=settings, report=silent)
    rows = {r["track_id"]: r for r in pq.read_table(tmp_path / "f" / "tracks").to_pylist()}
    known = rows["high/high.00003.wav"]
    assert (known["genre"], known["artist"], known["split"]) == ("high", "high artist 1", "train")
    unknown = rows["low/low.00003.wav"]
    assert (unknown["genre"], unknown["artist"], unknown["split"]) == (None, None, None)
    summary = json.loads((tmp_path / "f" / "extract.json").read_text())
    assert summary["left_out"] == {".csv": 1}


def test_missing_label_file(spark, music, tmp_path):
    settings = ExtractSettings(labels=LabelSettings(source="csv", csv=str(tmp_path / "no.csv")))
    with pytest.raises(LabelError, match=r"no\.csv does not exist"):
        extract(spark, str(music), str(tmp_path / "f"), settings=settings, report=silent)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", r"the input folder .*absent does not exist"),
        ("nothing", "holds no audio file"),
        ("song.wav", "is a file; wanted a folder"),
    ],
)
def test_bad_inputs(spark, tmp_path, name, message):
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "notes.txt").write_text("x")
    (tmp_path / "song.wav").write_bytes(b"")
    with pytest.raises(InputError, match=message):
        extract(spark, str(tmp_path / name), str(tmp_path / "f"), settings=SETTINGS, report=silent)
    assert not (tmp_path / "f").exists()


def test_unknown_feature(spark, music, tmp_path):
    with pytest.raises(UnknownFeatureError, match=r"unknown feature 'mfc'; known: .*mfcc"):
        extract(spark, str(music), str(tmp_path), settings=ExtractSettings(features=("mfc",)), report=silent)


def test_second_run_replaces_the_first(spark, music, tmp_path):
    settings = ExtractSettings(segment_s=1.0)
    for _ in range(2):
        extract(spark, str(music), str(tmp_path / "f"), settings=settings, report=silent)
    assert pq.read_table(tmp_path / "f" / "tracks").num_rows == 24
    assert pq.read_table(tmp_path / "f" / "segments").num_rows == 48


def test_other_settings_are_refused(spark, music, features):
    before = sorted(p.name for p in (features / "segments").iterdir())
    with pytest.raises(OutputError, match="give another folder, or --overwrite"):
        extract(spark, str(music), str(features), settings=ExtractSettings(segment_s=2.0), report=silent)
    assert sorted(p.name for p in (features / "segments").iterdir()) == before
    assert (features / "extract.json").exists()


def test_output_that_is_not_ours_is_left_alone(spark, music, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds thesis\.tex, which is not ours"):
        extract(spark, str(music), str(tmp_path), settings=SETTINGS, report=silent)
    with pytest.raises(OutputError, match="is the input folder"):
        extract(spark, str(music), str(music), settings=SETTINGS, report=silent)
    assert pathlib.Path(music / "manifest.csv").exists()


def test_work_is_dealt_out_evenly_and_completely():
    rng = np.random.default_rng(0)
    sizes = rng.lognormal(14, 1.5, size=200).astype(int)
    files = [SourceFile(track_id=str(i), path="", size_bytes=int(n), modified_ms=0) for i, n in enumerate(sizes)]
    chunks = deal_by_size(files, n_chunks=16)
    assert sorted(file.track_id for chunk in chunks for file in chunk) == sorted(map(str, range(200)))
    loads = [sum(file.size_bytes for file in chunk) for chunk in chunks]
    assert max(loads) <= max(sizes.max(), 1.2 * sizes.sum() / 16)


def test_executors_import_no_tensorflow(spark):
    """The import of what an executor runs, in a worker that Spark started."""

    def loaded(batches):
        import sys

        import pyarrow as pa

        import deepsound.models.head
        import deepsound.spark.outcomes

        assert deepsound.spark.outcomes.OutcomeWriter is OutcomeWriter
        assert deepsound.models.head.load_head
        engines = {"tensorflow", "keras", "mlflow", "librosa", "numba"} & set(sys.modules)
        for _ in batches:
            yield pa.RecordBatch.from_pydict({"engines": [",".join(sorted(engines))]})

    rows = spark.range(1, numPartitions=1).mapInArrow(loaded, "engines string").collect()
    assert [row["engines"] for row in rows] == [""]
