"""Scoring as a Spark job: a collection and a model to predictions, per-genre metrics and a summary."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from deepsound.config import ExtractSettings, ScoreSettings
from deepsound.errors import InputError, OutputError, SchemaMismatchError
from deepsound.evaluation.metrics import CollectionMetrics, compute_metrics
from deepsound.evaluation.report import metrics_to_plain, per_genre_rows
from deepsound.features.fingerprint import declare_features
from deepsound.features.registry import load_extractors
from deepsound.models.bundle import Bundle
from deepsound.models.compatibility import check_features, check_fingerprint
from deepsound.networks.engine import NetworkFile
from deepsound.settings import from_plain, to_plain
from deepsound.spark.aggregate import PredictionCounts, count_predictions
from deepsound.spark.extract import extract
from deepsound.spark.features import FeatureFrames, is_features_folder, read_features
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.predict import predict_tracks, to_predictions

NetworkPreparer = Callable[[ExtractSettings], tuple[NetworkFile, ...]]
_PER_GENRE_SCHEMA = T.StructType(
    [
        T.StructField("genre", T.StringType()),
        *(T.StructField(name, T.LongType()) for name in ("n_true", "n_predicted", "n_correct")),
        *(
            T.StructField(name, T.DoubleType())
            for name in (
                *("precision", "recall", "f1", "recall_low", "recall_high"),
                *("precision_low", "precision_high", "f1_low", "f1_high"),
            )
        ),
        T.StructField("n_scored_as", T.LongType()),
    ]
)
_OURS = ("predictions", "per_genre", "metrics.json", "features")


@dataclass(frozen=True, kw_only=True)
class ScoreResult:
    """What a scoring run came to. ``summary`` is the content of ``metrics.json``."""

    metrics: CollectionMetrics
    counts: PredictionCounts
    per_genre: list[dict[str, Any]]
    summary: dict[str, Any]


def score(
    spark: SparkSession,
    input_path: str,
    output_path: str,
    *,
    bundle: Bundle,
    model: str,
    settings: ScoreSettings,
    prepare: NetworkPreparer,
    report: Callable[[str], None],
) -> ScoreResult:
    """Score a FEATURES folder, or a folder of audio, which is then extracted with the model's own settings.

    ``metrics.json`` is written last: a folder without it is a scoring that did not finish.

    Parameters
    ----------
    input_path, output_path : str
        On any file system that Spark reaches.
    bundle : Bundle
        The model; ``model`` is how the user named it.
    prepare : callable
        Gives the networks that an extraction with some settings needs. Called only where the input is audio.

    Raises
    ------
    FingerprintMismatchError
        The features were not made as the model's were.
    InputError, OutputError, SchemaMismatchError, SplitError
        From the paths and the settings.
    """
    output = _prepare_output(spark, output_path, input_path=input_path)
    frames = _open_input(
        spark, input_path, output, bundle=bundle, settings=settings, prepare=prepare, report=report
    )
    _check_compatible(frames, bundle)
    tracks, segments = _pick_subset(spark, frames, bundle=bundle, subset=settings.subset)
    batch_key = "spark.sql.execution.arrow.maxRecordsPerBatch"
    batch_before = spark.conf.get(batch_key)
    spark.conf.set(batch_key, str(settings.batch_size))
    scored = predict_tracks(spark, segments.select("track_id", bundle.feature), bundle=bundle)
    predictions = to_predictions(tracks, scored, bundle=bundle).persist(StorageLevel.DISK_ONLY)
    try:
        predictions.write.mode("overwrite").parquet(output.child("predictions").uri)
        counts = count_predictions(predictions, taxonomy=bundle.taxonomy)
    finally:
        predictions.unpersist()
        spark.conf.set(batch_key, str(batch_before))
    result = _summarize(counts, bundle=bundle, model=model, settings=settings, input_path=input_path)
    per_genre = spark.createDataFrame(result.per_genre, _PER_GENRE_SCHEMA)
    per_genre.coalesce(1).write.mode("overwrite").parquet(output.child("per_genre").uri)
    output.child("metrics.json").write_text(json.dumps(result.summary, indent=2, allow_nan=False))
    report(f"{counts.n_scored} of {counts.n_tracks} tracks scored, {counts.n_failed} failed -> {output_path}")
    return result


def _prepare_output(spark: SparkSession, output_path: str, *, input_path: str) -> HadoopPath:
    output = HadoopPath(spark, output_path)
    if output.uri == HadoopPath(spark, input_path).uri:
        raise OutputError(f"the output {output_path} is the input folder; give scores a folder of their own")
    if output.exists():
        if not output.is_folder():
            raise OutputError(f"the output {output_path} is a file; wanted a folder")
        strangers = [name for name in output.names() if name not in _OURS]
        if strangers:
            named = ", ".join(sorted(strangers)[:3])
            raise OutputError(f"the output {output_path} holds {named}, which is not ours; give a new folder")
        # Gone until this run has finished, so that no old summary stands beside new predictions.
        output.child("metrics.json").delete()
    return output


def _open_input(
    spark: SparkSession,
    input_path: str,
    output: HadoopPath,
    *,
    bundle: Bundle,
    settings: ScoreSettings,
    prepare: NetworkPreparer,
    report: Callable[[str], None],
) -> FeatureFrames:
    folder = HadoopPath(spark, input_path)
    if not folder.exists():
        raise InputError(f"the input {input_path} does not exist; wanted a FEATURES folder or a folder of audio")
    if is_features_folder(spark, input_path):
        return read_features(spark, input_path)
    if folder.is_folder() and {"segments", "tracks"} <= set(folder.names()):
        raise InputError(f"{input_path} has no extract.json: its extraction did not finish; run it again")
    report(f"{input_path} holds no extract.json: reading it as audio")
    extract_settings = _own_settings(bundle, settings)
    networks = prepare(extract_settings)
    extractors = load_extractors((bundle.feature,), networks=networks)
    declared = declare_features(extractors, settings=extract_settings)
    fingerprint = declared[bundle.feature]["fingerprint"]
    check_fingerprint(bundle, fingerprint=fingerprint, where="this version of deepsound")
    features_path = output.child("features").uri
    # Whether too many failed is judged once, by the score job, over the same tracks.
    extract(spark, input_path, features_path, settings=extract_settings, networks=networks, report=report)
    return read_features(spark, features_path)


def _own_settings(bundle: Bundle, settings: ScoreSettings) -> ExtractSettings:
    """How the model's own features were extracted, for new audio with labels and a network of its own."""
    labels = replace(settings.labels, map=None)  # applied to the predictions
    own = {**bundle.extract_settings, "features": [bundle.feature], "labels": to_plain(labels)}
    own["duplicates"] = "keep"  # whoever asks for a score gets one
    if settings.network is not None:
        own["network"] = settings.network
    return from_plain(ExtractSettings, own, where="the model's settings")


def _check_compatible(frames: FeatureFrames, bundle: Bundle) -> None:
    summary, feature = frames.summary, bundle.feature
    shape, fingerprint = summary.shape_of(feature), summary.fingerprint_of(feature)
    check_features(bundle, shape=shape, fingerprint=fingerprint, where="the features")
    if bundle.feature not in frames.segments.columns:
        raise SchemaMismatchError(f"extract.json declares {bundle.feature}, but segments/ has no such column")


def _pick_subset(
    spark: SparkSession, frames: FeatureFrames, *, bundle: Bundle, subset: str
) -> tuple[DataFrame, DataFrame]:
    if subset == "all":
        return frames.tracks, frames.segments
    wanted = [(track_id,) for track_id in bundle.tracks_in(subset)]
    picked = spark.createDataFrame(wanted, T.StructType([T.StructField("track_id", T.StringType())]))
    tracks = frames.tracks.join(picked, "track_id", "left_semi")
    if not tracks.head(1):
        raise InputError(f"none of the model's {subset} tracks is in the input; is it the training collection?")
    return tracks, frames.segments.join(picked, "track_id", "left_semi")


def _summarize(
    counts: PredictionCounts, *, bundle: Bundle, model: str, settings: ScoreSettings, input_path: str
) -> ScoreResult:
    metrics = compute_metrics(counts.confusion, genres=bundle.taxonomy.genres)
    rows = per_genre_rows(metrics)
    per_genre = [{**row, "n_scored_as": int(n)} for row, n in zip(rows, counts.n_scored_as, strict=True)]
    summary = {
        "n_tracks": counts.n_tracks,
        "n_scored": counts.n_scored,
        "n_failed": counts.n_failed,
        **metrics_to_plain(metrics),
        "n_foreign_label": counts.n_foreign_label,
        "n_ood": counts.n_ood,
        "model": model,
        "model_run_id": bundle.run_id,
        "fingerprint": bundle.feature_fingerprint,
        "input": input_path,
        "settings": to_plain(settings),
    }
    return ScoreResult(metrics=metrics, counts=counts, per_genre=per_genre, summary=summary)
