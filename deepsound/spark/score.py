"""Scoring as a Spark job: a collection and models to predictions, per-genre metrics and a summary."""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound import __version__
from deepsound.config import ScoreSettings
from deepsound.evaluation.collection import Blunder, CollectionEvaluation
from deepsound.evaluation.collection_plain import (
    collection_genre_rows,
    collection_to_plain,
    comparison_to_plain,
)
from deepsound.evaluation.conclusions import distance_edges, evaluate_collection
from deepsound.evaluation.drift import TRACK_QUANTITIES
from deepsound.evaluation.paired import PairedComparison, compare_counts
from deepsound.evaluation.tally import Tally, TallyPlan
from deepsound.label_maps import LabelMap
from deepsound.models.bundle import Bundle
from deepsound.settings import to_plain
from deepsound.spark.features import FeatureFrames
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.heads import ship_head
from deepsound.spark.labels import load_label_map
from deepsound.spark.schemas import PER_GENRE_FIELDS
from deepsound.spark.score_input import NamedModel, NetworkPreparer, open_input, pick_subset
from deepsound.spark.score_output import PARTS, ScoresFolder, open_scores
from deepsound.spark.score_parts import PartStore, SegmentTable, list_table, score_segments
from deepsound.spark.segment_scores import (
    PLACES,
    SegmentModel,
    SegmentScorer,
    model_column,
    moment_fields,
    part_fields,
)
from deepsound.spark.track_scores import (
    PAIRS,
    PREDICTION_FIELDS,
    TrackJudge,
    TrackModel,
    judged_schema,
    pair_table,
)

Report = Callable[[str], None]
_N_BLUNDERS = 20
# Of segments: some 100,000 of VGGish, whose parts have a hundredth of that.
_SEGMENT_BYTES_A_SHUFFLE_TASK = 512 << 20
_TRACK_COLUMNS = ("genre", "status", "error_code", *TRACK_QUANTITIES, "container")


@dataclass(frozen=True, kw_only=True)
class ModelScores:
    """What one model made of the collection.

    ``summary`` is the content of ``metrics.json``, ``per_genre`` the rows of ``per_genre/``; ``blunders`` are the
    wrong tracks that it was surest of.
    """

    model: NamedModel
    evaluation: CollectionEvaluation
    per_genre: list[dict[str, Any]]
    summary: dict[str, Any]
    blunders: tuple[Blunder, ...]


@dataclass(frozen=True, kw_only=True)
class ModelPair:
    """Two models on the tracks that both of them judged; None where there are none."""

    a: str
    b: str
    comparison: PairedComparison | None

    def to_plain(self) -> dict[str, Any]:
        """As ``comparison.json`` holds it."""
        return {"a": self.a, "b": self.b, **(comparison_to_plain(self.comparison) if self.comparison else {})}


@dataclass(frozen=True, kw_only=True)
class ScoreResult:
    """What a scoring run came to, model by model in the order in which they were given."""

    models: tuple[ModelScores, ...]
    pairs: tuple[ModelPair, ...]


def score(
    spark: SparkSession,
    input_path: str,
    output_path: str,
    *,
    models: Sequence[NamedModel],
    settings: ScoreSettings,
    prepare: NetworkPreparer,
    draw: Callable[[ModelScores, Sequence[ModelPair]], str],
    report: Report,
) -> ScoreResult:
    """Score a FEATURES folder, or a folder of audio, which is then extracted with the models' own settings.

    All models score in one pass over the segments. A run that is cut off goes on where it was. ``metrics.json``,
    or with several models ``comparison.json``, is written last: a folder without it is a scoring that did not
    finish.

    Parameters
    ----------
    input_path, output_path : str
        On any file system that Spark reaches.
    models : sequence of NamedModel
        From :func:`~deepsound.spark.score_input.name_models`.
    prepare : callable
        Gives the networks that an extraction with some settings needs. Called only where the input is audio.
    draw : callable
        Gives a model's ``scorecard.html``.

    Raises
    ------
    FingerprintMismatchError
        The features were not made as a model's were.
    InputError, OutputError, SchemaMismatchError, SplitError, ConfigError, LabelMapError
        From the paths and the settings.
    """
    maps = [load_label_map(spark, settings.labels, taxonomy=model.bundle.taxonomy) for model in models]
    output = open_scores(spark, output_path, input_path=input_path)
    frames, features_path = open_input(
        spark,
        input_path,
        output.features_path,
        models=models,
        settings=settings,
        prepare=prepare,
        report=report,
    )
    if maps[0] is not None:
        report(maps[0].describe(models[0].bundle.taxonomy))
    job = _ScoreJob(spark, frames, features_path, models=models, maps=maps, settings=settings)
    output.reopen()  # nothing that the user asked for is refused from here on
    with _configured(spark, job.spark_settings()):
        chunks = job.score_segments(output, report=report)
        judged = job.judge(chunks).persist(StorageLevel.DISK_ONLY)
        try:
            for i, folder in enumerate(output.folders(models)):
                folder.write("predictions", _predictions(judged, i))
                if settings.segments:
                    folder.write("segments", job.timeline(chunks, i))
            result = job.conclude(judged, input_path=input_path)
        finally:
            judged.unpersist()
    schema = from_arrow_schema(pa.schema(PER_GENRE_FIELDS))
    for folder, scores in zip(output.folders(models), result.models, strict=True):
        folder.write("per_genre", spark.createDataFrame(scores.per_genre, schema).coalesce(1))
        folder.write_text("scorecard.html", draw(scores, result.pairs))
        folder.write_json("metrics.json", scores.summary)
    output.finish([pair.to_plain() for pair in result.pairs], has_timeline=settings.segments)
    first = result.models[0].evaluation
    report(f"{first.n_scored} of {first.n_tracks} tracks scored, {first.n_failed} failed -> {output_path}")
    return result


class _ScoreJob:
    """One collection, and the models that score it."""

    def __init__(
        self,
        spark: SparkSession,
        frames: FeatureFrames,
        features_path: str,
        *,
        models: Sequence[NamedModel],
        maps: Sequence[LabelMap | None],
        settings: ScoreSettings,
    ) -> None:
        self._spark, self._frames, self._settings = spark, frames, settings
        self._models, self._maps = models, maps
        self._segments_uri = HadoopPath(spark, features_path).child("segments").uri
        self._picked = pick_subset(spark, frames.tracks, models=models, subset=settings.subset)
        self._plans = [_plan(model.bundle) for model in models]
        self._table = SegmentTable(
            uri=self._segments_uri,
            rows=frames.segments,
            files=tuple(list_table(spark, self._segments_uri)),
            picked=self._picked,
            batch_size=settings.batch_size,
        )

    def spark_settings(self) -> dict[str, int]:
        """What suits the work: tracks are few beside their segments, and each task of a shuffle costs a worker."""
        n_cores = max(1, self._spark.sparkContext.defaultParallelism)
        n_bytes = sum(file.size_bytes for file in self._table.files)
        return {
            "spark.sql.execution.arrow.maxRecordsPerBatch": self._settings.batch_size,
            "spark.sql.shuffle.partitions": max(n_cores, math.ceil(n_bytes / _SEGMENT_BYTES_A_SHUFFLE_TASK)),
        }

    def score_segments(self, output: ScoresFolder, *, report: Report) -> list[HadoopPath]:
        """Score what is not scored yet; the folders of all parts."""
        scorer = SegmentScorer(
            models=tuple(
                SegmentModel(
                    head=ship_head(self._spark, model.bundle.head),
                    feature=model.bundle.feature,
                    ood_score=model.bundle.ood.score,
                    has_drift=model.bundle.drift is not None,
                )
                for model in self._models
            ),
            has_timeline=self._settings.segments,
        )
        identity = {
            "deepsound": __version__,
            "segments": self._segments_uri,
            "subset": self._settings.subset,
            "batch_size": self._settings.batch_size,
            "has_timeline": scorer.has_timeline,
            "models": [
                [model.feature, model.ood_score, model.has_drift, named.bundle.head.digest]
                for model, named in zip(scorer.models, self._models, strict=True)
            ],
        }
        store = PartStore(self._spark, output.path.child(PARTS), identity=identity)
        return score_segments(self._spark, store, self._table, scorer=scorer, report=report)

    def judge(self, chunks: Sequence[HadoopPath]) -> DataFrame:
        """Tracks with their predictions, and counts of them: :func:`judged_schema`."""
        parts = self._read(chunks, "parts", part_fields(len(self._models)))
        rest = [name for name in parts.columns if name != "track_id"]
        # In the order of the track: sums of floats depend on it.
        by_track = parts.groupBy("track_id").agg(F.sort_array(F.collect_list(F.struct(*rest))).alias("parts"))
        tracks = self._frames.tracks
        if self._picked is not None:
            tracks = tracks.join(self._picked, "track_id", "left_semi")
        columns = [name for name in _TRACK_COLUMNS if name in tracks.columns]
        joined = tracks.select("track_id", *columns).join(by_track, "track_id", "left")
        judge = TrackJudge(
            models=tuple(
                TrackModel(
                    taxonomy=model.bundle.taxonomy,
                    threshold=model.bundle.ood.threshold,
                    label_map=label_map,
                    plan=plan,
                )
                for model, label_map, plan in zip(self._models, self._maps, self._plans, strict=True)
            )
        )
        return joined.mapInArrow(judge, from_arrow_schema(judged_schema(len(self._models))))

    def timeline(self, chunks: Sequence[HadoopPath], index: int) -> DataFrame:
        """Segments with the predictions of one model, null where a segment could not be scored."""
        rows = self._read(chunks, "timeline", moment_fields(len(self._models)))
        column = model_column(index)
        genres = F.array(*(F.lit(genre) for genre in self._models[index].bundle.taxonomy.genres))
        predicted = F.element_at(genres, F.col(f"{column}.predicted") + 1).alias("predicted_genre")
        scores = [F.col(f"{column}.{name}") for name in ("confidence", "probabilities", "ood_score")]
        return rows.select("track_id", *PLACES, predicted, *scores)

    def conclude(self, judged: DataFrame, *, input_path: str) -> ScoreResult:
        """What all the predictions come to."""
        cells = judged.where("cell is not null").select("cell.*")
        rows = cells.groupBy("counted", "table", "place").agg(F.sum("n").alias("n")).collect()
        scores = []
        for i, (model, plan) in enumerate(zip(self._models, self._plans, strict=True)):
            tally = Tally(plan)
            tally.add_cells((row["table"], row["place"], row["n"]) for row in rows if row["counted"] == i)
            scores.append(self._conclude(i, model, tally, judged, input_path=input_path))
        pairs = {(row["table"], row["place"]): row["n"] for row in rows if row["counted"] == PAIRS}
        names = [model.name for model in self._models]
        return ScoreResult(
            models=tuple(scores),
            pairs=tuple(
                _pair(names[a], names[b], [pairs.get((pair_table(a, b), place), 0) for place in range(4)])
                for a, b in itertools.combinations(range(len(names)), 2)
            ),
        )

    def _conclude(
        self, index: int, model: NamedModel, tally: Tally, judged: DataFrame, *, input_path: str
    ) -> ModelScores:
        bundle, label_map = model.bundle, self._maps[index]
        evaluation = evaluate_collection(
            tally, genres=bundle.taxonomy.genres, rule=bundle.ood, validation_confusion=bundle.validation_confusion
        )
        summary = {
            **collection_to_plain(evaluation),
            "label_map": None if label_map is None else label_map.identity(),
            "model": model.uri,
            "model_run_id": bundle.run_id,
            "fingerprint": bundle.feature_fingerprint,
            "input": input_path,
            "settings": to_plain(self._settings),
        }
        return ModelScores(
            model=model,
            evaluation=evaluation,
            per_genre=collection_genre_rows(evaluation),
            summary=summary,
            blunders=_blunders(judged, index),
        )

    def _read(self, chunks: Sequence[HadoopPath], what: str, fields: Sequence[pa.Field]) -> DataFrame:
        schema = from_arrow_schema(pa.schema(fields))
        if not chunks:
            return self._spark.createDataFrame([], schema)
        return self._spark.read.schema(schema).parquet(*(chunk.child(what).uri for chunk in chunks))


def _plan(bundle: Bundle) -> TallyPlan:
    home = bundle.ood.home_scores
    return TallyPlan(
        n_genres=len(bundle.taxonomy),
        home_scores=None if home is None else np.asarray(home, np.float64),
        edges=distance_edges(bundle.ood),
        drift=bundle.drift,
    )


def _predictions(judged: DataFrame, index: int) -> DataFrame:
    """The rows of ``predictions/``: every track once, with its prediction or with the reason for none."""
    column = model_column(index)
    names = [field.name for field in PREDICTION_FIELDS]
    tracks = judged.where("track is not null").select("track.*")
    return tracks.select(
        "track_id", *(F.col(f"{column}.{name}").alias(name) for name in names), "n_segments", "label"
    )


def _blunders(judged: DataFrame, index: int) -> tuple[Blunder, ...]:
    wrong = _predictions(judged, index).where("genre is not null and predicted_genre != genre")
    rows = wrong.orderBy(F.desc("confidence"), "track_id").limit(_N_BLUNDERS).collect()
    return tuple(
        Blunder(
            track_id=row["track_id"],
            true_genre=row["genre"],
            predicted_genre=row["predicted_genre"],
            confidence=row["confidence"],
            is_ood=row["is_ood"],
        )
        for row in rows
    )


def _pair(a: str, b: str, counts: Sequence[int]) -> ModelPair:
    """Counts by 2 x (the first is right) + (the second is right)."""
    n_neither, n_only_b, n_only_a, n_both = counts
    comparison = compare_counts(n_both, n_only_a, n_only_b, n_neither) if sum(counts) else None
    return ModelPair(a=a, b=b, comparison=comparison)


@contextlib.contextmanager
def _configured(spark: SparkSession, wanted: Mapping[str, int]) -> Iterator[None]:
    """Spark with some settings, for as long as the block."""
    before = {key: spark.conf.get(key) for key in wanted}
    for key, value in wanted.items():
        spark.conf.set(key, str(value))
    try:
        yield
    finally:
        for key, old in before.items():
            spark.conf.set(key, str(old))
