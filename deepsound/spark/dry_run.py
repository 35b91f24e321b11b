"""What an extraction or a scoring would do, told by what they themselves plan by; nothing of it is left behind."""

import contextlib
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from deepsound.config import ExtractSettings, ScoreSettings
from deepsound.models.own_extraction import NamedModel
from deepsound.networks.engine import NetworkFile
from deepsound.spark.extract import leave_as_found, load_source, open_extraction
from deepsound.spark.extract_job import ExtractJob, RerunPolicy
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.score import open_scoring
from deepsound.spark.score_input import NetworkPreparer, is_audio, open_features, own_extraction, pick_frames
from deepsound.spark.session import is_local

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """The ``n_files`` to extract, as ``rows`` of a listing, and ``lines`` for people."""

    rows: DataFrame
    n_files: int
    lines: Sequence[str]


@contextlib.contextmanager
def planned_extraction(
    spark: SparkSession,
    input_path: str,
    output_path: str,
    *,
    settings: ExtractSettings,
    networks: tuple[NetworkFile, ...],
    policy: RerunPolicy,
    report: Report,
) -> Iterator[Outlook]:
    """What :func:`~deepsound.spark.extract.extract` would do, with its errors; rows hold as long as the block.

    The listing lies in a temporary folder; on a cluster, whose executors do not reach it, below the output until
    the block ends.
    """
    with tempfile.TemporaryDirectory(prefix="deepsound-dry-run-") as folder:
        scratch = HadoopPath(spark, pathlib.Path(folder).as_uri()) if is_local(spark) else None
        output = open_extraction(
            spark, input_path, output_path, settings, networks, policy, report, scratch=scratch
        )
        try:
            source, remarks = load_source(spark, input_path, settings, output)
            source.check_not_empty()
            rows, todo = source.rows, [f"to do: {source.n_files} new, once what lies in {output_path} is removed"]
            if not (policy.overwrite and output.path.exists()):
                job = ExtractJob(spark, output, settings=settings, networks=networks, policy=policy, report=report)
                rows, todo = job.outlook(source)
            n_files = rows.count()
            done = f"of {source.n_files} files, {source.n_files - n_files} are done"
            yield Outlook(rows=rows, n_files=n_files, lines=[*source.describe(), *remarks, done, *todo])
        finally:
            leave_as_found(output)


def describe_scoring(
    spark: SparkSession,
    input_path: str,
    output_path: str,
    *,
    models: Sequence[NamedModel],
    settings: ScoreSettings,
    prepare: NetworkPreparer,
    report: Report,
) -> list[str]:
    """Lines about what :func:`~deepsound.spark.score.score` would do, with its errors."""
    spark = spark.newSession()
    _, output = open_scoring(spark, input_path, output_path, models=models, settings=settings)
    if is_audio(spark, input_path):
        own, networks = own_extraction(models, settings, prepare)
        with planned_extraction(
            spark,
            input_path,
            output.features_path,
            settings=own,
            networks=networks,
            policy=RerunPolicy(),
            report=report,
        ) as plan:
            lines = [f"extracts {', '.join(own.features)} first", *plan.lines]
    else:
        frames = open_features(spark, input_path, models=models)
        tracks = pick_frames(spark, frames, models=models, subset=settings.subset).tracks
        n_by_status = {row["status"]: row["count"] for row in tracks.groupBy("status").count().collect()}
        n_ok, n_failed = n_by_status.get("ok", 0), n_by_status.get("failed", 0)
        lines = [f"to score: {n_ok} tracks of {input_path}; {n_failed} have no features, and stay failed"]
    lines += [f"by {model.name}: {model.uri}" for model in models]
    if output.has_results():
        lines.append(f"the scores that lie in {output_path} would be replaced")
    return lines
