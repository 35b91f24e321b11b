"""The cells of a benchmark: what each predicts, and the file that keeps it, so that no cell is computed twice."""

import hashlib
import json
import pathlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import deepsound
from deepsound.config import BenchmarkSettings, TrainSettings
from deepsound.data.groups import LabelledTrack
from deepsound.data.store import read_summary, read_tracks
from deepsound.errors import FingerprintMismatchError, LabelError, OutputError, first_line
from deepsound.evaluation.benchmark import Cell
from deepsound.evaluation.calibration import mean_by_track
from deepsound.settings import compute_fingerprint, to_plain
from deepsound.training.comparison import subset_of
from deepsound.training.crossval import Fold, cross_validate, predict_fold
from deepsound.training.dataset import Collection, Dataset, Subset, join_subsets, load_dataset
from deepsound.training.labelling import map_genres, unify_artists
from deepsound.training.predictions import LabelledPredictions

Report = Callable[[str], None]
_METADATA = b"deepsound"
# What no figure of a cell depends on.
_WITHOUT = ("allow_leaks", "folds", "search", "ood", "ood_false_alarm_rate")


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """Labelled tracks of another collection, of genres that the benchmark's tracks have, too."""

    track_ids: tuple[str, ...]
    tracks: Subset


@dataclass(frozen=True, kw_only=True)
class FeatureData:
    """A feature of the collection and of the foreign one, read once for all its cells."""

    dataset: Dataset
    collection: Collection
    foreign: Foreign | None

    @property
    def n_most_segments(self) -> int:
        """Of a track."""
        return int(np.bincount(self.collection.segments.track_indices).max())


def read_feature(features: str, *, settings: TrainSettings, foreign: str | None, report: Report) -> FeatureData:
    """All labelled tracks with their segments.

    Raises DeepsoundError as :func:`~deepsound.training.dataset.load_dataset`; the foreign feature is another one,
    or no foreign track has one of the genres.
    """
    dataset = load_dataset(features, settings=replace(settings, allow_leaks=True), report=report)
    return FeatureData(
        dataset=dataset,
        collection=dataset.collect(),
        foreign=None if foreign is None else _read_foreign(foreign, dataset, settings.feature, report),
    )


def _read_foreign(features: str, dataset: Dataset, feature: str, report: Report) -> Foreign:
    ours, theirs = dataset.summary, read_summary(features)
    for name in ("layout_of", "fingerprint_of"):
        wanted, found = (getattr(summary, name)(*feature.split("+")) for summary in (ours, theirs))
        if wanted != found:
            raise FingerprintMismatchError(
                f"{feature} of {features} is another one than the benchmark's: {str(found)[:12]}, wanted "
                f"{str(wanted)[:12]}; extract both with the same settings"
            )
    readable = unify_artists([row for row in read_tracks(features).to_pylist() if row["status"] == "ok"], report)
    labelled = [row for row in map_genres(readable, dataset.taxonomy, report) if row["genre"] is not None]
    known = {sha for sha in dataset.split["content_sha256"].to_pylist() if sha}
    rows = sorted((row for row in labelled if row["content_sha256"] not in known), key=lambda row: row["track_id"])
    if len(rows) < len(readable):
        report(
            f"foreign: {len(rows)} of {len(readable)} tracks; {len(readable) - len(labelled)} without one of the "
            f"genres and {len(labelled) - len(rows)} that are tracks of the benchmark are left out"
        )
    if not rows:
        raise LabelError(f"no track of {features} has one of the genres {', '.join(dataset.taxonomy.genres)}")
    return Foreign(
        track_ids=tuple(str(row["track_id"]) for row in rows),
        tracks=subset_of(rows, feature=feature, taxonomy=dataset.taxonomy, features=features),
    )


def predict_cell(
    data: FeatureData, *, protocol: str, settings: TrainSettings, n_folds: int, report: Report
) -> pa.Table:
    """Predictions under a protocol, sorted by track; see :class:`~deepsound.evaluation.benchmark.Cell`.

    Raises SplitError if there are too few artists, or tracks, for the folds.
    """
    if protocol == "foreign":
        table = _predict_foreign(data, settings)
    elif protocol == "split":
        table = _predict_split(data, settings)
    elif protocol == "segments":
        table = _cross_validate_segments(data.collection, settings, n_folds, report)
    else:
        divided = replace(settings, split=replace(settings.split, by=protocol.removesuffix("s")))
        result = cross_validate(data.collection, settings=divided, n_folds=n_folds, report=report)
        table = result.to_table()
    return table.sort_by("track_id")


def _predict_split(data: FeatureData, settings: TrainSettings) -> pa.Table:
    dataset = data.dataset
    splits = dataset.split["split"].to_pylist()
    ids = [track.track_id for track, split in zip(dataset.tracks, splits, strict=True) if split == "test"]
    return _predict_test(data, settings, train=dataset.train, test=dataset.test, track_ids=ids)


def _predict_foreign(data: FeatureData, settings: TrainSettings) -> pa.Table:
    """By a head that has learned from all tracks but those that it stops by, and from these too with ``refit``."""
    if data.foreign is None:
        raise LabelError("a benchmark on a foreign collection without one")
    everything = join_subsets(data.dataset.train, data.dataset.test)
    return _predict_test(
        data, settings, train=everything, test=data.foreign.tracks, track_ids=data.foreign.track_ids
    )


def _predict_test(
    data: FeatureData, settings: TrainSettings, *, train: Subset, test: Subset, track_ids: Sequence[str]
) -> pa.Table:
    taxonomy = data.dataset.taxonomy
    fold = Fold(
        number=0,
        positions=np.arange(len(track_ids)),
        taxonomy=taxonomy,
        train=train,
        validation=data.dataset.validation,
        test=test,
    )
    return LabelledPredictions(
        genres=taxonomy.genres,
        track_ids=tuple(track_ids),
        artists=test.artist_names,
        true_indices=test.genre_indices,
        probabilities=predict_fold(fold, settings),
    ).to_table()


def _cross_validate_segments(
    collection: Collection, settings: TrainSettings, n_folds: int, report: Report
) -> pa.Table:
    """Every segment as a track of its own, which is the mistake that this protocol is about."""
    segments, tracks = collection.segments, collection.tracks
    owners = segments.track_indices
    alone = Collection(
        taxonomy=collection.taxonomy,
        tracks=tuple(
            LabelledTrack(track_id=f"{tracks[owner].track_id}#{number}", genre=tracks[owner].genre)
            for number, owner in enumerate(owners)
        ),
        segments=replace(
            segments,
            track_indices=np.arange(len(owners)),
            genre_indices=segments.segment_genres,
            group_sizes=None if segments.group_sizes is None else segments.group_sizes[owners],
            artists=tuple(segments.artist_names[owner] for owner in owners),
        ),
    )
    divided = replace(settings, split=replace(settings.split, by="track"))
    result = cross_validate(alone, settings=divided, n_folds=n_folds, report=report)
    return LabelledPredictions(
        genres=collection.taxonomy.genres,
        track_ids=tuple(track.track_id for track in tracks),
        artists=tuple(track.artist for track in tracks),
        true_indices=segments.genre_indices,
        probabilities=mean_by_track(result.probabilities, track_indices=owners, n_tracks=len(tracks)),
    ).to_table()


def fingerprint_cell(
    data: FeatureData, *, protocol: str, settings: TrainSettings, benchmark: BenchmarkSettings
) -> str:
    """sha256 of all that a cell's figures depend on: data, protocol, settings, the version of deepsound."""
    plain = to_plain(settings.resolved())
    others = {*_WITHOUT, *settings.idle}
    foreign = data.foreign
    asked = None
    if protocol == "foreign" and foreign is not None:
        asked = [foreign.track_ids, foreign.tracks.genre_indices.tolist(), _digest(foreign.tracks.values)]
    of_folds = protocol in ("segments", "tracks", "artists")
    return compute_fingerprint(
        {
            "version": deepsound.__version__,
            "feature": data.dataset.fingerprint,
            "tracks": data.dataset.split.to_pylist(),
            "protocol": protocol,
            "settings": {key: value for key, value in plain.items() if key not in others},
            "n_folds": benchmark.n_folds if of_folds else None,
            "foreign": asked,
        }
    )


def _digest(values: np.ndarray) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class CellStore:
    """Finished cells as Parquet files of a folder, each with the fingerprint of what it is of in its metadata."""

    folder: pathlib.Path

    def path_of(self, settings: TrainSettings, *, protocol: str, fingerprint: str) -> pathlib.Path:
        """Names of features are other people's; nothing of them leads out of the folder."""
        feature = re.sub(r"[^A-Za-z0-9_+-]", "_", settings.feature)
        return self.folder / f"{feature}-{settings.architecture}-{protocol}-{fingerprint[:16]}.parquet"

    def read(self, path: pathlib.Path, *, fingerprint: str) -> tuple[pa.Table, dict[str, Any]] | None:
        """Predictions and what was noted with them; None where there is no such cell, or it is broken."""
        try:
            table = pq.read_table(path, partitioning=None)
            noted = json.loads(table.schema.metadata[_METADATA])
        except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
            return None
        return (table, noted) if noted.get("fingerprint") == fingerprint else None

    def write(self, path: pathlib.Path, cell: Cell, **noted: str) -> None:
        """Keep a cell, whole or not at all. Raises OutputError if it cannot be written there."""
        part = path.with_name(f".{path.name}.part")
        notes = json.dumps({"seconds": cell.seconds, "run_id": cell.run_id, **noted})
        try:
            pq.write_table(cell.predictions.replace_schema_metadata({_METADATA: notes}), part)
            part.replace(path)
        except OSError as exc:
            raise OutputError(f"cannot write {path}: {first_line(exc)}") from exc

    def find_parent(self, benchmark: str) -> str | None:
        """The run in MLflow of the benchmark with this fingerprint, by its latest cell."""
        paths = sorted(self.folder.glob("*.parquet"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in paths:
            try:
                noted = json.loads(pq.read_schema(path).metadata[_METADATA])
            except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
                continue
            if noted.get("benchmark") == benchmark:
                return str(noted.get("parent_run_id"))
        return None
