"""Scoring as a Spark job: a collection and models to predictions, per-genre metrics and a summary."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound.config import ScoreSettings
from deepsound.errors import SchemaMismatchError
from deepsound.label_maps.label_map import LabelMap
from deepsound.models.own_extraction import NamedModel
from deepsound.spark.features import FeatureFrames
from deepsound.spark.labels import load_label_map
from deepsound.spark.predict import ScoringModel, mean_by_track, predict_tracks, score_segments, timeline
from deepsound.spark.schemas import PER_GENRE_FIELDS
from deepsound.spark.score_input import NetworkPreparer, open_input, pick_frames
from deepsound.spark.score_job import compare_all, conclude
from deepsound.spark.score_output import ScoresFolder, open_scores
from deepsound.spark.score_result import ModelPair, ModelScores, ScoreResult
from deepsound.spark.session import count_cores

Report = Callable[[str], None]
# Of a shuffle by track: some 100 MB of sums.
_SEGMENTS_A_PIECE = 500_000


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

    All models score in one pass over the segments. Results appear whole or not at all: a run that is cut off
    leaves those of an earlier one as they are, and begins anew from the features; an extraction goes on where it
    was.

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
    # A session of its own: what suits the work is no matter of the user's.
    spark = spark.newSession()
    maps, output = open_scoring(spark, input_path, output_path, models=models, settings=settings)
    frames = open_input(
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
    scoring = [ScoringModel(named=model, label_map=m) for model, m in zip(models, maps, strict=True)]
    picked = pick_frames(spark, frames, models=models, subset=settings.subset)
    _configure(spark, frames, batch_size=settings.batch_size)
    # Nothing that the user asked for is refused from here on.
    with output.at_work(), picked.unchanged(), _reading_errors(input_path):
        result = _score(spark, picked, output, scoring, settings=settings, input_path=input_path, draw=draw)
    first = result.models[0].report
    report(f"{first.n_scored} of {first.n_tracks} tracks scored, {first.n_failed} failed -> {output_path}")
    return result


def open_scoring(
    spark: SparkSession,
    input_path: str,
    output_path: str,
    *,
    models: Sequence[NamedModel],
    settings: ScoreSettings,
) -> tuple[list[LabelMap | None], ScoresFolder]:
    """A label map for each model, and the output, once these are known to be right.

    Nothing is written; errors are those of :func:`score`.
    """
    maps = [load_label_map(spark, settings.labels, taxonomy=model.bundle.taxonomy) for model in models]
    return maps, open_scores(spark, output_path, input_path=input_path)


def _score(
    spark: SparkSession,
    frames: FeatureFrames,
    output: ScoresFolder,
    models: Sequence[ScoringModel],
    *,
    settings: ScoreSettings,
    input_path: str,
    draw: Callable[[ModelScores, Sequence[ModelPair]], str],
) -> ScoreResult:
    names = [model.named.name for model in models]
    folders = output.of_models(names)
    scored = score_segments(spark, frames.segments, models)
    if settings.segments:
        scored = output.work.write("scored", scored)
        for folder, name in zip(folders, names, strict=True):
            folder.write("segments", timeline(scored, name))
    means = output.work.write("means", mean_by_track(scored, models))
    predictions = [
        folder.write("predictions", predict_tracks(frames.tracks, means, model))
        for folder, model in zip(folders, models, strict=True)
    ]
    concluded = [
        conclude(rows, model, frames, settings=settings, input_path=input_path)
        for rows, model in zip(predictions, models, strict=True)
    ]
    pairs = compare_all(predictions, names)
    schema = from_arrow_schema(pa.schema(PER_GENRE_FIELDS))
    for folder, scores in zip(folders, concluded, strict=True):
        folder.write("per_genre", spark.createDataFrame(scores.per_genre, schema).coalesce(1))
        folder.write_text("scorecard.html", draw(scores, pairs))
        folder.write_json("metrics.json", scores.summary)
    if pairs:
        output.results.write_json("comparison.json", [pair.to_plain() for pair in pairs])
    return ScoreResult(models=tuple(concluded), pairs=pairs)


def _configure(session: SparkSession, frames: FeatureFrames, *, batch_size: int) -> None:
    """Set a session up for the work.

    Rows come to a worker so many at a time: ten thousand of a large feature would be gigabytes. And tracks are few
    beside their segments: shuffled in Spark's 200 pieces, they take a fifth longer.
    """
    n_pieces = int(frames.summary.counts.get("segments", 0)) // _SEGMENTS_A_PIECE
    session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(batch_size))
    session.conf.set("spark.sql.shuffle.partitions", str(max(count_cores(session), n_pieces)))


@contextlib.contextmanager
def _reading_errors(where: str) -> Iterator[None]:
    """Turn what Spark says of a file that turns out to be damaged into one line."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as exc:
        found = re.search(r"\[FAILED_READ_FILE[A-Z_.]*\] ([^\n]+)", str(exc))
        if found is None:
            raise
        raise SchemaMismatchError(f"cannot read the tables of {where}: {found[1][:300]}") from exc
