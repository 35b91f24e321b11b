"""Fixtures that several test folders share: a local Spark, made-up music, FEATURES folders, a tiny bundle."""

import hashlib
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

# How long an example takes is the machine's matter, which may have other things to do.
hypothesis.settings.register_profile("deepsound", deadline=None)
hypothesis.settings.load_profile("deepsound")
pytest_plugins = ["tests.example", "tests.tiny_vggish"]

GENRES = ("high", "low", "noise")
SHAPE = (4, 3)
FINGERPRINT = "f" * 64


def pytest_make_parametrize_id(val: object) -> str | None:
    """A file's content makes no name: encoders differ from process to process, and it is long."""
    return "bytes" if isinstance(val, bytes) and len(val) > 30 else None


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A local Spark on two cores, shared by all tests that need one; a task may fail as often as on a cluster."""
    from pyspark.sql import SparkSession

    from deepsound.spark.java import java_home

    os.environ |= {"PYSPARK_PYTHON": sys.executable, "JAVA_HOME": java_home()}
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    session = (
        SparkSession.builder.master("local[2,4]")
        .appName("deepsound tests")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.memory", "2g")
        # As in a session of a job, so that workers are kept from one test to the next.
        .config("spark.executorEnv.PYTHONSAFEPATH", "1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def make_clip(genre: str, seed: int, *, duration_s: float = 2.0, sample_rate_hz: int = 22050) -> np.ndarray:
    """Music is a big word: a high tone, a low tone, or noise, told apart with ease."""
    rng = np.random.default_rng([seed, GENRES.index(genre)])
    time_s = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    noise = rng.normal(size=len(time_s))
    if genre == "noise":
        return (0.2 * noise).astype(np.float32)
    frequency_hz = rng.uniform(2000, 3000) if genre == "high" else rng.uniform(80, 200)
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time_s) + 0.01 * noise).astype(np.float32)


@pytest.fixture(scope="session")
def clip() -> Callable[..., np.ndarray]:
    """The function :func:`make_clip`."""
    return make_clip


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Eight tracks of each of three genres, by four artists each, with a manifest."""
    import soundfile

    root = tmp_path_factory.mktemp("music")
    rows = ["path,genre,artist"]
    for genre in GENRES:
        (root / genre).mkdir()
        for number in range(8):
            path = f"{genre}/{genre}.{number:05d}.wav"
            soundfile.write(root / path, make_clip(genre, number), 22050)
            rows.append(f"{path},{genre},{genre} artist {number // 2}")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def write_features(tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """A function that writes a FEATURES folder with the feature ``toy`` of shape (4, 3)."""

    def write(
        rows: list[dict[str, Any]],
        *,
        name: str = "features",
        fingerprint: str = FINGERPRINT,
        shape: tuple[int, int] = SHAPE,
    ) -> pathlib.Path:
        folder = tmp_path / name
        segments = [segment for row in rows for segment in _segments_of(row)]
        tables = {"segments": (segments, _SEGMENT_SCHEMA), "tracks": (list(map(_track_of, rows)), _TRACK_SCHEMA)}
        for table, (data, schema) in tables.items():
            (folder / table).mkdir(parents=True)
            pq.write_table(pa.Table.from_pylist(data, schema=schema), folder / table / "part-0.parquet")
        summary = {
            "fingerprint": fingerprint,
            "features": {"toy": {"shape": list(shape)}},
            "settings": {},
            "versions": {},
            "counts": {},
        }
        (folder / "extract.json").write_text(json.dumps(summary))
        return folder

    return write


_LABELS = ("genre", "artist", "split")
_LABEL_FIELDS = [(name, pa.string()) for name in _LABELS]
_SEGMENT_SCHEMA = pa.schema(
    [
        *(("track_id", pa.string()), ("segment_index", pa.int32()), *_LABEL_FIELDS),
        ("toy", pa.list_(pa.float32())),
    ]
)
_TRACK_SCHEMA = pa.schema(
    [
        *(("track_id", pa.string()), ("content_sha256", pa.string()), *_LABEL_FIELDS, ("status", pa.string())),
        *(("error_code", pa.string()), ("duration_s", pa.float64()), ("n_segments", pa.int32())),
    ]
)


def _track_of(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "track_id": row["track_id"],
        "content_sha256": row.get("sha", hashlib.sha256(row["track_id"].encode()).hexdigest()),
        **{name: row.get(name) for name in _LABELS},
        "status": "failed" if row.get("error_code") else "ok",
        "error_code": row.get("error_code"),
        "duration_s": 10.0,
        "n_segments": len(row.get("values", [])),
    }


def _segments_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    labels = {name: row.get(name) for name in _LABELS}
    return [
        {"track_id": row["track_id"], "segment_index": i, **labels, "toy": np.asarray(values, np.float32).ravel()}
        for i, values in enumerate(row.get("values", []))
    ]


def make_linear_onnx(weights: np.ndarray) -> bytes:
    """A head whose logits are ``flatten(x) @ weights``: small, without TensorFlow, and easy to recompute."""
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="session")
def linear_onnx() -> Callable[[np.ndarray], bytes]:
    """The function :func:`make_linear_onnx`."""
    return make_linear_onnx


@pytest.fixture(scope="session")
def head_weights() -> np.ndarray:
    """(12, 3): what the tiny bundle's network multiplies with."""
    return np.random.default_rng(5).normal(size=(SHAPE[0] * SHAPE[1], len(GENRES)))


@pytest.fixture
def tiny_bundle(head_weights: np.ndarray) -> Any:
    """A bundle on the feature ``toy`` with a linear head, temperature 2 and a known standardisation."""
    from deepsound.data.layout import Layout
    from deepsound.evaluation.ood.threshold import OodRule
    from deepsound.models.bundle import Bundle, ModelFeature
    from deepsound.models.head import HeadSpec, PackedHead

    spec = HeadSpec(
        genres=GENRES,
        layout=Layout((SHAPE,)),
        mean=(0.0, 1.0, -1.0),
        std=(1.0, 2.0, 0.5),
        temperature=2.0,
        transforms=("none",),
    )
    split = pa.table(
        {
            "track_id": ["t0", "t1", "t2"],
            "genre": ["high", "low", "noise"],
            "artist": pa.array([None, None, None], pa.string()),
            "split": ["train", "validation", "test"],
        }
    )
    return Bundle(
        head=PackedHead(spec, make_linear_onnx(head_weights)),
        features=(ModelFeature(name="toy", fingerprint=FINGERPRINT),),
        extract_settings={},
        ood=OodRule(score="energy", thresholds={"energy": -1.0}, false_alarm_rate=0.05, n_tracks=None),
        train_settings={},
        data_fingerprint="d" * 64,
        run_id=None,
        split=split,
    )
