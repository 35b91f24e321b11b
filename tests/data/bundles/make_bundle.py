"""Freeze a bundle as this version writes it, with the numbers it gives: python tests/data/bundles/make_bundle.py.

Run once per bundle format, with the code of its day; a folder that is there is not written again. The bundle is
what ``deepsound train`` logs for two made-up features (up to format 2, for one), so nothing here depends on how
bundles are written. Beside it,
``expected.npz`` holds segments and what that day's code said of them.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
GENRES = ("bells", "drums", "flutes")
SHAPES = {"toy": (4, 3), "tune": (3, 2)}
N_TRACKS_PER_GENRE = 40
SMALL = ("architecture=cnn", "cnn.filters=[4]", "epochs=15", "learning_rate=0.02", "batch_size=8")


def write_features(folder: pathlib.Path) -> None:
    """Three genres around three centres, two segments a track, every third track by another artist."""
    rng = np.random.default_rng(11)
    centres = {name: 0.6 * rng.normal(size=(len(GENRES), *shape)) for name, shape in SHAPES.items()}
    tracks, segments = [], []
    for which, genre in enumerate(GENRES):
        for number in range(N_TRACKS_PER_GENRE):
            track_id = f"{genre}/{number:02d}.wav"
            labels = {"genre": genre, "artist": f"{genre} {number // 3}", "split": None}
            sha256 = hashlib.sha256(track_id.encode()).hexdigest()
            heard = {"peak": 0.9 - number / 100, "rms_dbfs": -20 + 2 * float(rng.normal()), "n_segments": 2}
            kind = {"duration_s": 30.0 + number % 4, "sample_rate_hz": 22050, "n_channels": 1, "container": "wav"}
            tracks.append(
                {"track_id": track_id, "content_sha256": sha256, **labels, "status": "ok", **heard, **kind}
            )
            for index in range(2):
                values = {
                    name: (centres[name][which] + rng.normal(size=shape)).astype(np.float32).ravel()
                    for name, shape in SHAPES.items()
                }
                segments.append({"track_id": track_id, "segment_index": index, **labels, **values})
    text = pa.string()
    labels_schema = [("genre", text), ("artist", text), ("split", text)]
    numbers = [(name, pa.float64()) for name in ("peak", "rms_dbfs", "duration_s")]
    counts = [(name, pa.int32()) for name in ("n_segments", "sample_rate_hz", "n_channels")]
    texts = [(name, text) for name in ("track_id", "content_sha256", "status", "container")]
    track_schema = pa.schema([*texts, *labels_schema, *numbers, *counts])
    keys = [("track_id", text), ("segment_index", pa.int32())]
    segment_schema = pa.schema([*keys, *labels_schema, *((name, pa.list_(pa.float32())) for name in SHAPES)])
    for name, rows, schema in (("tracks", tracks, track_schema), ("segments", segments, segment_schema)):
        (folder / name).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / name / "part-0.parquet")
    summary = {"fingerprint": "f" * 64, "features": {name: {"shape": shape} for name, shape in SHAPES.items()}}
    (folder / "extract.json").write_text(json.dumps({**summary, "settings": {}, "versions": {}, "counts": {}}))


def main() -> int:
    """Train, copy the bundle out of the run, write down what it says."""
    from deepsound.models.bundle import FORMAT_VERSION, read_bundle
    from deepsound.models.head import load_head

    target = HERE / f"v{FORMAT_VERSION}"
    if target.exists():
        print(f"{target} is there; a frozen bundle is not written again", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        features = pathlib.Path(scratch) / "features"
        write_features(features)
        settings = [
            part for setting in (f"feature={'+'.join(SHAPES)}", "seed=1", *SMALL) for part in ("--set", setting)
        ]
        environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{scratch}/mlflow.db"}
        environment["PYTHONPATH"] = str(ROOT)
        command = [sys.executable, "-m", "deepsound.cli", "train", "--features", str(features), *settings]
        subprocess.run(command, cwd=scratch, env=environment, check=True)
        found = list(pathlib.Path(scratch).glob("mlruns/**/artifacts/bundle/bundle.json"))
        shutil.copytree(found[0].parent, target)
    head = load_head(read_bundle(target).head)
    segments = np.random.default_rng(12).normal(size=(6, *head.spec.shape)).astype(np.float32)
    # Format 1 knew the energy alone, under another name.
    ood = {"energy": head.score(segments).energy} if FORMAT_VERSION == 1 else _score_all(head, segments)
    probabilities = head.score(segments).probabilities
    np.savez(target / "expected.npz", segments=segments, probabilities=probabilities, **ood)
    print(f"{target}: {sum(path.stat().st_size for path in target.iterdir())} bytes")
    return 0


def _score_all(head: Any, segments: np.ndarray) -> dict[str, np.ndarray]:
    return head.score(segments, ood_scores=head.ood_scores).ood


if __name__ == "__main__":
    sys.exit(main())
