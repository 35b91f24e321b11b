"""The steps of scoring one collection with its models."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound import __version__
from deepsound.config import ScoreSettings
from deepsound.evaluation.collection import Blunder
from deepsound.evaluation.collection_plain import (
    collection_genre_rows,
    collection_to_plain,
)
from deepsound.evaluation.conclusions import distance_edges, evaluate_collection
from deepsound.evaluation.drift import TRACK_QUANTITIES
from deepsound.evaluation.paired import compare_counts
from deepsound.evaluation.tally import Tally, TallyPlan
from deepsound.label_maps import LabelMap
from deepsound.models.bundle import Bundle
from deepsound.settings import to_plain
from deepsound.spark.features import FeatureFrames
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.heads import ship_head
from deepsound.spark.score_input import NamedModel, pick_subset
from deepsound.spark.score_output import ScoresFolder
from deepsound.spark.score_parts import SegmentTable, list_table, score_segments
from deepsound.spark.score_result import ModelPair, ModelScores, ScoreResult
from deepsound.spark.segment_scores import (
    PLACES,
    SegmentModel,
    SegmentScorer,
    model_column,
    moment_fields,
    part_fields,
)
from deepsound.spark.session import count_cores
from deepsound.spark.tables import read_table
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


class ScoreJob:
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
        n_cores = count_cores(self._spark)
        n_bytes = sum(file.size_bytes for file in self._table.files)
        return {
            "spark.sql.execution.arrow.maxRecordsPerBatch": self._settings.batch_size,
            "spark.sql.shuffle.partitions": max(n_cores, math.ceil(n_bytes / _SEGMENT_BYTES_A_SHUFFLE_TASK)),
        }

    def score_segments(self, output: ScoresFolder, *, report: Report) -> list[HadoopPath]:
        """Score what is not scored yet; the folders of all parts."""
        scorer = make_scorer(
            self._spark, [model.bundle for model in self._models], has_timeline=self._settings.segments
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
        return score_segments(self._spark, output.open_parts(identity), self._table, scorer=scorer, report=report)

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
        return read_table(self._spark, *(chunk.child(what).uri for chunk in chunks), schema=schema)


def make_scorer(spark: SparkSession, bundles: Sequence[Bundle], *, has_timeline: bool) -> SegmentScorer:
    """What executors score segments with, by all models in one pass."""
    models = tuple(
        SegmentModel(
            head=ship_head(spark, bundle.head),
            feature=bundle.feature,
            ood_score=bundle.ood.score,
            has_drift=bundle.drift is not None,
        )
        for bundle in bundles
    )
    return SegmentScorer(models=models, has_timeline=has_timeline)


def _plan(bundle: Bundle) -> TallyPlan:
    home = bundle.ood.home_scores
    return TallyPlan(
        n_genres=len(bundle.taxonomy),
        home_scores=None if home is None else np.asarray(home, np.float64),
        edges=distance_edges(bundle.ood),
        drift=bundle.drift,
    )


def predictions_of(judged: DataFrame, index: int) -> DataFrame:
    """The rows of ``predictions/``: every track once, with its prediction or with the reason for none."""
    column = model_column(index)
    names = [field.name for field in PREDICTION_FIELDS]
    tracks = judged.where("track is not null").select("track.*")
    return tracks.select(
        "track_id", *(F.col(f"{column}.{name}").alias(name) for name in names), "n_segments", "label"
    )


def _blunders(judged: DataFrame, index: int) -> tuple[Blunder, ...]:
    wrong = predictions_of(judged, index).where("genre is not null and predicted_genre != genre")
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
