"""The one deployable thing: a folder with a head, what it was learned from and what it may be applied to.

::

    bundle.json      format, taxonomy, feature, standardisation, temperature, OOD rule, validation confusion
    head.onnx        the network, standardised features to logits and the penultimate numbers
    ood.npz          where the training segments lie in the penultimate layer
    drift.json       what the training tracks are like, in bins
    model.keras      the same network with its Keras weights, for further training
    split.parquet    track_id, genre, artist, split: which tracks the model has seen

Nothing in it is pickled. JSON, arrays and ONNX are parsed, never executed. Format 1 had neither ood.npz nor
drift.json nor a confusion matrix: its bundles are read as before, and know the energy alone.
"""

import hashlib
import json
import pathlib
import shutil
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deepsound import __version__
from deepsound.credentials import without_credentials
from deepsound.errors import BundleError, ParameterError, SplitError
from deepsound.evaluation.drift import DriftReference, pack_reference, unpack_reference
from deepsound.evaluation.ood import OodRule
from deepsound.models.head import HeadSpec, PackedHead, load_head
from deepsound.taxonomy import Taxonomy

FORMAT_VERSION = 2
_MANIFEST, _HEAD, _OOD, _DRIFT = "bundle.json", "head.onnx", "ood.npz", "drift.json"
_CHECKED = (_HEAD, _OOD, _DRIFT)


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
    ood : OodRule
        From which score on a track is called out-of-distribution.
    validation_confusion : np.ndarray [shape=(n_genres, n_genres), int], rows true, or None
        Of the validation tracks; None in bundles of format 1.
    drift : DriftReference or None
        What the training tracks were like; None in bundles of format 1.
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
    ood: OodRule
    validation_confusion: np.ndarray | None = None
    drift: DriftReference | None = None
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
    files = {_HEAD: bundle.head.onnx_bytes}
    if bundle.head.ood_bytes is not None:
        files[_OOD] = bundle.head.ood_bytes
    if bundle.drift is not None:
        files[_DRIFT] = pack_reference(bundle.drift)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    shutil.copyfile(keras_weights, folder / "model.keras")
    pq.write_table(bundle.split, folder / "split.parquet")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = {**without_credentials(_to_manifest(bundle)), "files_sha256": digests}
    # The manifest comes last: a folder without one is not a bundle.
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2, allow_nan=False), encoding="utf-8")


def read_bundle(folder: pathlib.Path) -> Bundle:
    """Read and check a bundle folder.

    Raises
    ------
    BundleError
        No bundle there, damaged, without a taxonomy, or of a newer format than this version knows.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except OSError as exc:
        raise BundleError(f"{folder} is no model bundle: it holds no readable {_MANIFEST}") from exc
    except ValueError as exc:
        raise BundleError(f"{folder / _MANIFEST} is not JSON: {exc}") from exc
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if not isinstance(version, int) or not 1 <= version <= FORMAT_VERSION:
        raise BundleError(
            f"{folder} has bundle format {version!r}; deepsound {__version__} reads formats 1 to {FORMAT_VERSION}"
        )
    if not manifest.get("taxonomy"):
        raise BundleError(f"the model bundle {folder} has no taxonomy: nobody knows what its numbers mean")
    try:
        return _parse(manifest, folder, version=version)
    except BundleError as exc:
        raise BundleError(f"the model bundle {folder} is damaged: {exc}") from exc
    except (KeyError, TypeError, ValueError, AttributeError, OSError, pa.ArrowException) as exc:
        raise BundleError(f"the model bundle {folder} is damaged: {exc!r}") from exc


def _to_manifest(bundle: Bundle) -> dict[str, Any]:
    spec, confusion = bundle.head.spec, bundle.validation_confusion
    return {
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
        "ood": _rule_to_plain(bundle.ood),
        "validation_confusion": None if confusion is None else np.asarray(confusion).tolist(),
        "train_settings": bundle.train_settings,
        "data_fingerprint": bundle.data_fingerprint,
        "run_id": bundle.run_id,
    }


def _rule_to_plain(rule: OodRule) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "score": rule.score,
        "thresholds": dict(rule.thresholds),
        "false_alarm_rate": rule.false_alarm_rate,
        "n_tracks": rule.n_tracks,
    }
    # Not a format of its own: who does not know the key loses nothing but a picture.
    return plain if rule.home_scores is None else {**plain, "home_scores": list(rule.home_scores)}


def _parse(manifest: dict[str, Any], folder: pathlib.Path, *, version: int) -> Bundle:
    digests = {_HEAD: manifest["head_sha256"]} if version == 1 else manifest["files_sha256"]
    files = {name: _read_checked(folder / name, digests[name]) for name in _CHECKED if name in digests}
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
    head = PackedHead(spec, files[_HEAD], files.get(_OOD))
    return Bundle(
        head=head,
        feature=manifest["feature"]["name"],
        feature_fingerprint=manifest["feature"]["fingerprint"],
        network=manifest["feature"].get("network"),
        extract_settings=manifest["extract_settings"],
        ood=_parse_rule(manifest["ood"], head=head, version=version),
        validation_confusion=_parse_confusion(manifest.get("validation_confusion"), n_genres=len(spec.genres)),
        drift=unpack_reference(files[_DRIFT], n_dims=spec.shape[1]) if _DRIFT in files else None,
        train_settings=manifest["train_settings"],
        data_fingerprint=manifest["data_fingerprint"],
        run_id=manifest["run_id"],
        split=pq.read_table(folder / "split.parquet"),
    )


def _read_checked(path: pathlib.Path, sha256: str) -> bytes:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not the file the bundle was written with")
    return content


def _parse_rule(plain: dict[str, Any], *, head: PackedHead, version: int) -> OodRule:
    thresholds = {plain["score"]: plain["threshold"]} if version == 1 else plain["thresholds"]
    home = plain.get("home_scores")
    rule = OodRule(
        score=str(plain["score"]),
        thresholds={str(name): float(threshold) for name, threshold in thresholds.items()},
        false_alarm_rate=float(plain["false_alarm_rate"]),
        n_tracks=None if plain.get("n_tracks") is None else int(plain["n_tracks"]),
        home_scores=None if home is None else tuple(map(float, home)),
    )
    # Found here, and not by every executor: a rule on a score that the head cannot compute.
    if rule.score not in load_head(head).ood_scores:
        raise ValueError(f"its out-of-distribution score {rule.score!r} needs statistics that it does not have")
    return rule


def _parse_confusion(plain: Any, *, n_genres: int) -> np.ndarray | None:
    if plain is None:
        return None
    confusion = np.array(plain, np.int64)
    if confusion.shape != (n_genres, n_genres) or (confusion < 0).any():
        raise ParameterError(f"a confusion matrix of shape {confusion.shape} for {n_genres} genres")
    return confusion
