"""Scoring as a Spark job: a collection and models to predictions, per-genre metrics and a summary."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound.config import ScoreSettings
from deepsound.spark.labels import load_label_map
from deepsound.spark.schemas import PER_GENRE_FIELDS
from deepsound.spark.score_input import NamedModel, NetworkPreparer, open_input
from deepsound.spark.score_job import ScoreJob, predictions_of
from deepsound.spark.score_output import open_scores
from deepsound.spark.score_result import ModelPair, ModelScores, ScoreResult

Report = Callable[[str], None]


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
    job = ScoreJob(spark, frames, features_path, models=models, maps=maps, settings=settings)
    output.begin()  # nothing that the user asked for is refused from here on
    with frames.unchanged(), _configured(spark, job.spark_settings()):
        chunks = job.score_segments(output, report=report)
        judged = job.judge(chunks).persist(StorageLevel.DISK_ONLY)
        try:
            for i, folder in enumerate(output.folders(models)):
                folder.write("predictions", predictions_of(judged, i))
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
