"""The one deployable thing: a folder with a head, what it was learned from and what it may be applied to.

::

    bundle.json      format, taxonomy, features, standardisation, temperature, OOD rule
    head.onnx        the network, standardised features to logits and the penultimate numbers
    ood.npz          where the training segments lie in the penultimate layer
    drift.json       what the training tracks are like, in bins
    model.keras      the same network with its Keras weights, for further training
    split.parquet    track_id, genre, artist, split: which tracks the model has seen
    out_of_fold.parquet  predictions of a cross-validation, by models like this one that had not seen the track

Nothing in it is pickled. JSON, arrays and ONNX are parsed, never executed, and every number is checked on reading.
Format 1 had neither ood.npz nor drift.json: its bundles are read as before, and know the energy alone. Formats 1
and 2 were of one feature each.
"""

import dataclasses
import hashlib
import json
import pathlib
import reprlib
import shutil
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deepsound import __version__
from deepsound.config import ExtractSettings
from deepsound.credentials import without_credentials
from deepsound.data.contract import join_fingerprints
from deepsound.data.layout import Layout
from deepsound.documents import parse_json
from deepsound.errors import BundleError, DeepsoundError, SplitError, first_line
from deepsound.evaluation.drift.packing import pack_reference, unpack_reference
from deepsound.evaluation.drift.reference import DriftReference
from deepsound.evaluation.ood.threshold import OodRule
from deepsound.models.bundle_files import parse_out_of_fold, parse_split, read_checked, read_file, to_parquet
from deepsound.models.head import HeadSpec, PackedHead, load_head
from deepsound.models.manifest import Manifest, OodPart, parse_drift, parse_manifest
from deepsound.settings import from_plain
from deepsound.taxonomy import Taxonomy

FORMAT_VERSION = 3
# Out-of-distribution scores that earlier versions knew, too.
_FORMER_SCORES = ("max_softmax", "mahalanobis", "relative_mahalanobis")
_MANIFEST, _HEAD, _OOD, _DRIFT = "bundle.json", "head.onnx", "ood.npz", "drift.json"
_FOLDS = "out_of_fold.parquet"


@dataclass(frozen=True, kw_only=True)
class ModelFeature:
    """A feature that a model takes: its column, the hash of its definition, where weights and code came from."""

    name: str
    fingerprint: str
    network: str | None = None
    package: str | None = None


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A model with everything that scoring needs.

    ``features`` are in the order in which they lie in the head's input; ``extract_settings`` are resolved, to
    treat new audio the same way. ``drift`` says what the training tracks were like; None in bundles of format 1.
    ``run_id`` is None outside MLflow. ``split`` has the columns track_id, genre, artist, split; ``out_of_fold``
    track_id, artist, genre, predicted_genre, confidence, probabilities, fold of every track of the
    cross-validation, None without one.
    """

    head: PackedHead
    features: tuple[ModelFeature, ...]
    extract_settings: dict[str, Any]
    ood: OodRule
    drift: DriftReference | None = None
    train_settings: dict[str, Any]
    data_fingerprint: str
    run_id: str | None
    split: pa.Table
    out_of_fold: pa.Table | None = None

    @property
    def taxonomy(self) -> Taxonomy:
        """The genres the model knows."""
        return Taxonomy(self.head.spec.genres)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features, which are those of their columns."""
        return tuple(feature.name for feature in self.features)

    @property
    def feature(self) -> str:
        """Name of what the model takes: of a feature, or of several joined with ``+``."""
        return "+".join(self.columns)

    @property
    def feature_fingerprint(self) -> str:
        """The feature's fingerprint, or one of all."""
        return join_fingerprints({feature.name: feature.fingerprint for feature in self.features})

    @property
    def network(self) -> str | None:
        """Where the weights of the features' own networks came from; None where none has one."""
        return ", ".join(dict.fromkeys(feature.network for feature in self.features if feature.network)) or None

    def tracks_in(self, subset: str) -> list[str]:
        """track_ids that the model's split put into ``subset``. Raises SplitError if there are none."""
        rows = self.split.filter(pc.equal(self.split["split"], subset))
        if not rows.num_rows:
            raise SplitError(f"the model's split holds no {subset} track")
        return [str(track_id) for track_id in rows["track_id"].to_pylist()]

    def count_genres(self, subset: str) -> np.ndarray:
        """Tracks of each genre that the model's split put into ``subset`` [shape=(n_genres,), int64]."""
        rows = self.split.filter(pc.equal(self.split["split"], subset))
        places = pc.index_in(rows["genre"], value_set=pa.array(self.taxonomy.genres, pa.string()))
        counts: np.ndarray = np.bincount(pc.drop_null(places).to_numpy(), minlength=len(self.taxonomy))
        return counts


def write_bundle(bundle: Bundle, *, folder: pathlib.Path, keras_weights: pathlib.Path) -> None:
    """Write the bundle into a new folder; ``keras_weights`` is a ``.keras`` file."""
    folder.mkdir(parents=True)
    files = {_HEAD: bundle.head.onnx_bytes}
    if bundle.head.ood_bytes is not None:
        files[_OOD] = bundle.head.ood_bytes
    if bundle.drift is not None:
        files[_DRIFT] = pack_reference(bundle.drift)
    if bundle.out_of_fold is not None:
        files[_FOLDS] = to_parquet(bundle.out_of_fold)
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

    Raises BundleError: no bundle there, damaged, with a number that cannot be, without a taxonomy, or of a newer
    format than this version knows.
    """
    manifest = _read_manifest(folder)
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise BundleError(
            f"{folder} has bundle format {reprlib.repr(version)}; "
            f"deepsound {__version__} reads formats 1 to {FORMAT_VERSION}"
        )
    if not manifest.get("taxonomy"):
        raise BundleError(f"the model bundle {folder} has no taxonomy: nobody knows what its numbers mean")
    try:
        return _parse(parse_manifest(manifest, version=version), folder)
    except DeepsoundError as exc:
        raise BundleError(f"the model bundle {folder} is damaged: {exc}") from exc
    except (ValueError, OSError, MemoryError, pa.ArrowException) as exc:
        raise BundleError(f"the model bundle {folder} is damaged: {exc!r:.300}") from exc


def _read_manifest(folder: pathlib.Path) -> Any:
    try:
        return parse_json(read_file(folder, _MANIFEST))
    except BundleError as exc:
        raise BundleError(f"{folder} is no model bundle: {exc}") from exc
    except OSError as exc:
        raise BundleError(f"{folder} is no model bundle: it holds no readable {_MANIFEST}") from exc
    except ValueError as exc:
        raise BundleError(f"the model bundle {folder} is damaged: {_MANIFEST} is not JSON: {exc}") from exc


def _to_manifest(bundle: Bundle) -> dict[str, Any]:
    spec = bundle.head.spec
    return {
        "format_version": FORMAT_VERSION,
        "deepsound_version": __version__,
        "taxonomy": list(spec.genres),
        "features": [
            {**dataclasses.asdict(feature), "shape": list(shape)}
            for feature, shape in zip(bundle.features, spec.layout.shapes, strict=True)
        ],
        "extract_settings": bundle.extract_settings,
        "standardization": {"transforms": list(spec.transforms), "mean": list(spec.mean), "std": list(spec.std)},
        "temperature": spec.temperature,
        # A key that is left out here is one that older versions do not know.
        "ood": {key: value for key, value in dataclasses.asdict(bundle.ood).items() if value is not None},
        "train_settings": bundle.train_settings,
        "data_fingerprint": bundle.data_fingerprint,
        "run_id": bundle.run_id,
    }


def _parse(manifest: Manifest, folder: pathlib.Path) -> Bundle:
    digests, standardization = manifest.files_sha256, manifest.standardization
    wanted = [_HEAD, *(name for name in (_OOD, _DRIFT, _FOLDS) if name in digests)]
    files = {name: read_checked(folder, name, sha256=digests) for name in wanted}
    _check_extract_settings(manifest)
    layout = Layout(tuple((part.shape[0], part.shape[1]) for part in manifest.features))
    spec = HeadSpec(
        genres=Taxonomy(tuple(manifest.taxonomy)).genres,
        layout=layout,
        mean=tuple(standardization.mean),
        std=tuple(standardization.std),
        temperature=manifest.temperature,
        transforms=tuple(standardization.transforms),
    )
    head = PackedHead(spec, files[_HEAD], files.get(_OOD))
    return Bundle(
        head=head,
        features=tuple(ModelFeature(**part.model_dump(exclude={"shape"})) for part in manifest.features),
        extract_settings=manifest.extract_settings,
        ood=_make_rule(manifest.ood, head=head),
        drift=unpack_reference(parse_drift(files[_DRIFT]), n_dims=layout.n_dims) if _DRIFT in files else None,
        train_settings=manifest.train_settings,
        data_fingerprint=manifest.data_fingerprint,
        run_id=manifest.run_id,
        split=parse_split(read_file(folder, "split.parquet")),
        out_of_fold=parse_out_of_fold(files[_FOLDS], genres=spec.genres) if _FOLDS in files else None,
    )


def _check_extract_settings(manifest: Manifest) -> None:
    """Those that this version knows; which labels an earlier one read does not matter any more."""
    names = {field.name for field in dataclasses.fields(ExtractSettings)} - {"labels"}
    known = {name: value for name, value in manifest.extract_settings.items() if name in names}
    from_plain(ExtractSettings, known, where="extract_settings")
    if any(feature.network is not None for feature in manifest.features) and "network" not in known:
        raise BundleError("extract_settings does not say where the feature's network comes from")


def _make_rule(part: OodPart, *, head: PackedHead) -> OodRule:
    # Found here, and not by every executor: a head that cannot be run, a score that it cannot compute.
    opened = load_head(head)
    score = part.score
    if score in _FORMER_SCORES:
        score = next((name for name in reversed(opened.ood_scores) if name in part.thresholds), score)
    # Those of held-out tracks are of the score that decided.
    home, units = (part.home_scores, part.home_units) if score == part.score else (None, None)
    rule = OodRule(
        score=score,
        thresholds={name: t for name, t in part.thresholds.items() if name not in _FORMER_SCORES},
        false_alarm_rate=part.false_alarm_rate,
        n_tracks=part.n_tracks,
        n_independent=part.n_independent,
        home_scores=None if home is None else tuple(home),
        home_units=None if units is None else tuple(units),
    )
    if rule.score not in opened.ood_scores:
        raise BundleError(f"its out-of-distribution score {rule.score!r} needs statistics that it does not have")
    try:
        opened.score(np.zeros((1, *head.spec.shape), np.float32), ood_scores=[rule.score])
    except Exception as exc:  # onnxruntime raises a class per status code, without a public base
        raise BundleError(f"its head cannot be run: {first_line(exc)}") from exc
    return rule
