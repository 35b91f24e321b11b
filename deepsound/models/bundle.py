"""The one deployable thing: a folder with a head, what it was learned from and what it may be applied to.

::

    bundle.json      format, taxonomy, feature, standardisation, temperature, OOD threshold, settings
    head.onnx        the network, raw standardised features to logits
    model.keras      the same network with its Keras weights, for further training
    split.parquet    track_id, genre, artist, split: which tracks the model has seen

Nothing in it is pickled. JSON and ONNX are parsed, never executed.
"""

import hashlib
import json
import pathlib
import shutil
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deepsound import __version__
from deepsound.errors import BundleError, SplitError
from deepsound.models.head import HeadSpec, PackedHead
from deepsound.taxonomy import Taxonomy

FORMAT_VERSION = 1
_MANIFEST = "bundle.json"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A model with everything that scoring needs.

    Attributes
    ----------
    head : PackedHead
    feature : str
        Name of the feature column; ``feature_fingerprint`` is what its definition must hash to.
    network : str or None
        Where the weights of the feature's own network came from; None for a feature that has none.
    extract_settings : dict
        Resolved settings of the extraction, to treat new audio the same way.
    ood_threshold, ood_false_alarm_rate : float
        A track whose mean energy lies above the threshold is called out-of-distribution.
    train_settings, data_fingerprint, run_id
        Where the model comes from; ``run_id`` is None outside MLflow.
    split : pa.Table
        track_id, genre, artist, split.
    """

    head: PackedHead
    feature: str
    feature_fingerprint: str
    network: str | None = None
    extract_settings: dict[str, Any]
    ood_threshold: float
    ood_false_alarm_rate: float
    train_settings: dict[str, Any]
    data_fingerprint: str
    run_id: str | None
    split: pa.Table

    @property
    def taxonomy(self) -> Taxonomy:
        """The genres the model knows."""
        return Taxonomy(self.head.spec.genres)

    def tracks_in(self, subset: str) -> list[str]:
        """track_ids that the model's split put into ``subset``.

        Raises
        ------
        SplitError
            If there are none.
        """
        rows = self.split.filter(pc.equal(self.split["split"], subset))
        if not rows.num_rows:
            raise SplitError(f"the model's split holds no {subset} track")
        return [str(track_id) for track_id in rows["track_id"].to_pylist()]


def write_bundle(bundle: Bundle, *, folder: pathlib.Path, keras_weights: pathlib.Path) -> None:
    """Write the bundle into a new folder; ``keras_weights`` is a ``.keras`` file."""
    folder.mkdir(parents=True)
    spec = bundle.head.spec
    manifest = {
        "format_version": FORMAT_VERSION,
        "deepsound_version": __version__,
        "taxonomy": list(spec.genres),
        "feature": {
            "name": bundle.feature,
            "shape": list(spec.shape),
            "fingerprint": bundle.feature_fingerprint,
            "network": bundle.network,
        },
        "extract_settings": bundle.extract_settings,
        "standardization": {"transform": spec.transform, "mean": list(spec.mean), "std": list(spec.std)},
        "temperature": spec.temperature,
        "ood": {
            "score": "energy",
            "threshold": bundle.ood_threshold,
            "false_alarm_rate": bundle.ood_false_alarm_rate,
        },
        "train_settings": bundle.train_settings,
        "data_fingerprint": bundle.data_fingerprint,
        "run_id": bundle.run_id,
        "head_sha256": hashlib.sha256(bundle.head.onnx_bytes).hexdigest(),
    }
    (folder / "head.onnx").write_bytes(bundle.head.onnx_bytes)
    shutil.copyfile(keras_weights, folder / "model.keras")
    pq.write_table(bundle.split, folder / "split.parquet")
    # The manifest comes last: a folder without one is not a bundle.
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2, allow_nan=False), encoding="utf-8")


def read_bundle(folder: pathlib.Path) -> Bundle:
    """Read and check a bundle folder.

    Raises
    ------
    BundleError
        No bundle there, damaged, or of a newer format than this version knows.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except OSError as exc:
        raise BundleError(f"{folder} is no model bundle: it holds no readable {_MANIFEST}") from exc
    except ValueError as exc:
        raise BundleError(f"{folder / _MANIFEST} is not JSON: {exc}") from exc
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{folder} has bundle format {version!r}; deepsound {__version__} reads format {FORMAT_VERSION}"
        )
    try:
        return _parse(manifest, folder)
    except (KeyError, TypeError, ValueError, OSError, pa.ArrowException) as exc:
        raise BundleError(f"the model bundle {folder} is damaged: {exc!r}") from exc


def _parse(manifest: dict[str, Any], folder: pathlib.Path) -> Bundle:
    onnx_bytes = (folder / "head.onnx").read_bytes()
    if hashlib.sha256(onnx_bytes).hexdigest() != manifest["head_sha256"]:
        raise ValueError("head.onnx is not the file the bundle was written with")
    n_frames, n_dims = manifest["feature"]["shape"]
    spec = HeadSpec(
        genres=tuple(manifest["taxonomy"]),
        shape=(int(n_frames), int(n_dims)),
        mean=tuple(manifest["standardization"]["mean"]),
        std=tuple(manifest["standardization"]["std"]),
        temperature=float(manifest["temperature"]),
        # Bundles of before there were transforms name none.
        transform=str(manifest["standardization"].get("transform", "none")),
    )
    return Bundle(
        head=PackedHead(spec, onnx_bytes),
        feature=manifest["feature"]["name"],
        feature_fingerprint=manifest["feature"]["fingerprint"],
        network=manifest["feature"].get("network"),
        extract_settings=manifest["extract_settings"],
        ood_threshold=float(manifest["ood"]["threshold"]),
        ood_false_alarm_rate=float(manifest["ood"]["false_alarm_rate"]),
        train_settings=manifest["train_settings"],
        data_fingerprint=manifest["data_fingerprint"],
        run_id=manifest["run_id"],
        split=pq.read_table(folder / "split.parquet"),
    )
