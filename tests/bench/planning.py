"""Planning over manifests of many tracks: what the driver takes, how long a rerun and new labels do."""

import json
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from deepsound.config import ExtractSettings, LabelSettings
from deepsound.spark.schemas import TRACK_FIELDS
from tests.bench.jobs import bench_environment
from tests.bench.measure import BenchLine, ProcessTree, measure_processes

N_TRACKS = (10_000, 1_000_000)
SETTINGS = ExtractSettings(segment_s=1.0, labels=LabelSettings(source="source"), max_failure_fraction=1.0)
_SHARD_TRACKS = 8192
_ROWS_A_BATCH = 100_000


def run() -> Iterator[BenchLine]:
    """Half of the tracks done, then all of them, then all with other labels; no audio is there to be read."""
    with tempfile.TemporaryDirectory(prefix="deepsound-bench-") as scratch:
        root = pathlib.Path(scratch)
        document = _extract_one(root)
        for n_tracks in N_TRACKS:
            yield from _plan(root / str(n_tracks), document, n_tracks)


def _plan(root: pathlib.Path, document: dict, n_tracks: int) -> Iterator[BenchLine]:
    root.mkdir()
    write_manifest(root / "list.parquet", n_tracks, label="a")
    write_features(root / "half", document, n_tracks // 2)
    half = _measure(root, "plan", "list.parquet", "half")
    yield _memory_line(f"driver with its Java, peak: {n_tracks:.0e} tracks planned, half of them done", half)
    write_features(root / "done", document, n_tracks)
    again = _measure(root, "run", "list.parquet", "done")
    yield _memory_line(f"driver with its Java, peak: {n_tracks:.0e} tracks, nothing to do", again)
    segments = {path: path.stat().st_mtime_ns for path in (root / "done" / "segments").iterdir()}
    write_manifest(root / "list.parquet", n_tracks, label="b")
    relabelled = _measure(root, "run", "list.parquet", "done")
    is_untouched = segments == {path: path.stat().st_mtime_ns for path in (root / "done" / "segments").iterdir()}
    is_large = n_tracks >= 1_000_000
    for name, tree, limit_s in (("nothing to do", again, 60), ("new labels", relabelled, 90)):
        yield BenchLine(
            name=f"extract, {n_tracks:.0e} tracks: {name}",
            figure=f"{tree.wall_s:.0f} s" + ("" if is_untouched else ", segments touched"),
            target=f"<= {limit_s} s" if is_large else "",
            is_met=(tree.wall_s <= limit_s and is_untouched) if is_large else None,
        )
    more_gb = relabelled.peak_gb_of("pyspark.daemon") - again.peak_gb_of("pyspark.daemon")
    yield BenchLine(
        name=f"largest worker, {n_tracks:.0e} new labels beside none",
        figure=f"{more_gb:+.3f} GB",
        target="<= +0.050 GB",
        is_met=more_gb <= 0.05,
    )
    shutil.rmtree(root)


def _memory_line(name: str, tree: ProcessTree) -> BenchLine:
    peak_gb = tree.peak_gb_of("plan_extraction") + tree.peak_gb_of("java")
    figure = f"{peak_gb:.2f} GB in {tree.wall_s:.0f} s"
    return BenchLine(name=name, figure=figure, target="<= 2 GB", is_met=peak_gb <= 2)


def _measure(root: pathlib.Path, what: str, manifest: str, output: str) -> ProcessTree:
    command = [sys.executable, "-m", "tests.bench.plan_extraction", what, str(root / manifest), str(root / output)]
    # A heap that is not full is not cleared: with more of it, Java would take more, whatever there is to hold.
    spark = "--master local[2] --driver-memory 1g --conf spark.ui.enabled=false pyspark-shell"
    return measure_processes(command, env={**bench_environment(root), "PYSPARK_SUBMIT_ARGS": spark})


def _extract_one(root: pathlib.Path) -> dict:
    """What ``extract.json`` says of an extraction with these settings."""
    (root / "one").mkdir()
    soundfile.write(root / "one" / "x.wav", np.random.default_rng(0).normal(0, 0.1, 22050), 22050)
    _measure(root, "run", "one", "one-features")
    return json.loads((root / "one-features" / "extract.json").read_text())


def write_manifest(path: pathlib.Path, n_tracks: int, *, label: str) -> None:
    """Paths of files that are not there, with their sizes and times."""
    with pq.ParquetWriter(path, _to_rows(0, 1, label).schema) as writer:
        for first in range(0, n_tracks, _ROWS_A_BATCH):
            writer.write_table(_to_rows(first, min(_ROWS_A_BATCH, n_tracks - first), label))


def _to_rows(first: int, n: int, label: str) -> pa.Table:
    names = [f"artist {i // 10:07d}/album/{i:08d}.wav" for i in range(first, first + n)]
    return pa.table(
        {
            "path": names,
            "genre": [f"{label}{i % 10}" for i in range(n)],
            "artist": [name.partition("/")[0] for name in names],
            "size_bytes": pa.array([1_000_000] * n, pa.int64()),
            "modified_ms": pa.array([1_000] * n, pa.int64()),
        }
    )


def write_features(output: pathlib.Path, document: dict, n_tracks: int) -> None:
    """A FEATURES folder whose tracks are all done, and all failed: their numbers do not count here."""
    (output / "tracks").mkdir(parents=True)
    (output / "segments").mkdir()
    folder = output.parent.as_uri().replace("file:///", "file:/")
    for shard, first in enumerate(range(0, n_tracks, _SHARD_TRACKS)):
        n = min(_SHARD_TRACKS, n_tracks - first)
        rows = _to_rows(first, n, "a")
        columns = {
            **{name: rows[name] for name in ("genre", "artist", "size_bytes", "modified_ms")},
            "track_id": rows["path"],
            "path": [f"{folder}/{name}" for name in rows["path"].to_pylist()],
            "status": ["failed"] * n,
            "error_code": ["unreadable"] * n,
            "error_stage": ["read"] * n,
            "n_segments": [0] * n,
            "fingerprint": [document["fingerprint"]] * n,
        }
        arrays = [
            pa.nulls(n, f.type)
            if f.name not in columns
            else pa.chunked_array(columns[f.name]).cast(f.type)
            if isinstance(columns[f.name], pa.ChunkedArray)
            else pa.array(columns[f.name], f.type)
            for f in TRACK_FIELDS
        ]
        table = pa.table(arrays, schema=pa.schema(TRACK_FIELDS))
        pq.write_table(table, output / "tracks" / f"shard-{shard:05d}.parquet")
        segments = pa.table({"track_id": pa.array([], pa.string())})
        pq.write_table(segments, output / "segments" / f"shard-{shard:05d}-part-0.parquet")
    counts = {"tracks": n_tracks, "ok": 0, "failed": n_tracks, "segments": 0}
    (output / "extract.json").write_text(json.dumps({**document, "counts": counts}))
