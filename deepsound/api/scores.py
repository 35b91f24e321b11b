"""Scores of a collection, and comparisons of models."""

import pathlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset

from deepsound.api.features import Features, path_of
from deepsound.api.model import Model, ModelLike, load_all
from deepsound.api.report import Report
from deepsound.api.settings import resolve_settings, takes_settings
from deepsound.config import ExtractSettings, ScoreSettings
from deepsound.console import say
from deepsound.data.early import check_input, check_label_csv, check_label_map
from deepsound.data.store import read_summary
from deepsound.errors import InputError, ParameterError, TooManyFailuresError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from deepsound.models.own_extraction import NamedModel
    from deepsound.networks.engine import NetworkFile
    from deepsound.spark.score_result import ModelPair, ModelScores, ScoreResult
    from deepsound.training.comparison import ModelComparison


@dataclass(frozen=True, kw_only=True)
class Scores:
    """A SCORES folder that a job has just written.

    Attributes
    ----------
    path : str
    reports : dict of str to Report
        By model, named after its feature.
    run_ids : dict of str to str
        The MLflow runs.
    """

    path: str
    reports: dict[str, Report]
    run_ids: dict[str, str]
    result: "ScoreResult"

    @property
    def page(self) -> str:
        """Where the page is, of several models that of the first."""
        return f"{self._folder_of(next(iter(self.reports)))}/scorecard.html"

    @property
    def report(self) -> Report:
        """That of the first model."""
        return next(iter(self.reports.values()))

    def predictions(self, model: str | None = None) -> pd.DataFrame:
        """A row a track, as ``predictions/`` has it; of several models that of ``model``, else of the first.

        Raises
        ------
        ParameterError
            There is no such model.
        InputError
            The table cannot be read from here.
        """
        name = model or next(iter(self.reports))
        if name not in self.reports:
            raise ParameterError(f"there are no scores of {name!r}; wanted one of {', '.join(self.reports)}")
        folder = self._folder_of(name)
        try:
            table = pyarrow.dataset.dataset(f"{folder}/predictions", format="parquet").to_table()
        except (OSError, pa.ArrowException) as exc:
            raise InputError(f"{folder}/predictions cannot be read: {exc}") from exc
        pdf: pd.DataFrame = table.to_pandas()
        return pdf

    def _folder_of(self, model: str) -> str:
        return self.path if len(self.reports) == 1 else f"{self.path}/models/{model}"


@takes_settings(ScoreSettings)
def score(
    collection: Features | str | pathlib.Path,
    model: ModelLike | Sequence[ModelLike],
    output: str | pathlib.Path,
    *,
    spark: "SparkSession | None" = None,
    config: str | None = None,
    progress: Callable[[str], None] = say,
    **settings: Any,
) -> Scores:
    """Score a collection with one or more models, and evaluate what is labelled.

    Parameters
    ----------
    collection : Features or path
        Features, or a source of audio as of :func:`extract`, which is then extracted with the model's settings.
    model : Model, MLflow URI or folder, or several
    output : path
        The folder of the scores.
    spark : SparkSession, optional
        Without it the session that there is, or one that is closed in the end.
    config : str, optional
        A YAML file of settings, or a name in ``conf/``.
    progress : callable
        Gets a line of text at a time.

    Raises
    ------
    DeepsoundError
        See its classes; :class:`~deepsound.errors.TooManyFailuresError` after everything is written.
    """
    resolved = resolve_settings(ScoreSettings, settings, section="score", config=config)
    models = [model] if isinstance(model, Model | str | pathlib.Path) else list(model)
    scores = score_resolved(
        path_of(collection), models, str(output), settings=resolved, spark=spark, progress=progress
    )
    check_failures(scores, resolved)
    return scores


def score_resolved(
    source: str,
    models: Sequence[ModelLike],
    output: str,
    *,
    settings: ScoreSettings,
    spark: "SparkSession | None" = None,
    progress: Callable[[str], None],
) -> Scores:
    """The same of settings that were read already; too many failures are for :func:`check_failures` to tell."""
    named = check_scoring(source, models, settings=settings)
    from deepsound.spark.score import score as run
    from deepsound.spark.session import open_session
    from deepsound.training.mlflow_store import open_store
    from deepsound.training.scoring_run import draw_scorecard

    pages: dict[str, str] = {}

    def draw(scores: "ModelScores", pairs: "Sequence[ModelPair]") -> str:
        pages[scores.model.name] = draw_scorecard(
            scores.report,
            summary=scores.summary,
            bundle=scores.model.bundle,
            examples=scores.examples,
            comparisons={(pair.a, pair.b): pair.comparison for pair in pairs if pair.comparison is not None},
        )
        return pages[scores.model.name]

    open_store()
    with open_session("deepsound score", given=spark) as session:
        result = run(
            session,
            source,
            output,
            models=named,
            settings=settings,
            prepare=prepare_own,
            draw=draw,
            report=progress,
        )
    run_ids = {scores.model.name: _log(scores, pages[scores.model.name], progress) for scores in result.models}
    reports = {
        scores.model.name: Report(scores.report, title=scores.model.uri, page=pages[scores.model.name])
        for scores in result.models
    }
    return Scores(path=output, reports=reports, run_ids=run_ids, result=result)


def check_scoring(
    source: str, models: Sequence[ModelLike], *, settings: ScoreSettings
) -> "tuple[NamedModel, ...]":
    """The models, once what is wrong was refused before Spark is imported, and has left no store behind."""
    if not models:
        raise ParameterError("there is no model to score with")
    check_input(source, what="a FEATURES folder or a source of audio")
    check_label_csv(settings.labels.csv)
    check_label_map(settings.labels.map)
    loaded = load_all(models)
    from deepsound.models.own_extraction import name_models

    return name_models([(model.uri, model.bundle) for model in loaded])


def _log(scores: "ModelScores", page: str, progress: Callable[[str], None]) -> str:
    """Log what a model made of the collection; the id of the run."""
    from deepsound.training.mlflow_store import describe_address
    from deepsound.training.scoring_run import log_scoring

    run_id = log_scoring(
        scores.report,
        summary=scores.summary,
        per_genre=scores.per_genre,
        examples=scores.examples,
        bundle=scores.model.bundle,
        scorecard=page,
    )
    progress(f"logged as MLflow run {run_id}; {describe_address()}")
    return run_id


def check_failures(scores: Scores, settings: ScoreSettings) -> None:
    """Raise TooManyFailuresError where more tracks failed than the settings allow."""
    for one in scores.result.models:
        report = one.report
        if report.n_failed > settings.max_failure_fraction * report.n_tracks:
            raise TooManyFailuresError(
                f"{report.n_failed} of {report.n_tracks} tracks could not be scored by {one.model.uri}; "
                f"max_failure_fraction is {settings.max_failure_fraction:g}. Everything is written"
            )


def prepare_own(extraction: ExtractSettings) -> "tuple[NetworkFile, ...]":
    """The networks that the models' own extraction needs."""
    from deepsound.api.networks import prepare_networks

    return prepare_networks(extraction.features, network=extraction.network)


def compare(
    model_a: ModelLike, model_b: ModelLike, features: Features | str | pathlib.Path, *, subset: str = "test"
) -> "ModelComparison":
    """Two models on the same tracks, with a paired test; see :func:`deepsound.training.comparison.compare_models`.

    Parameters
    ----------
    subset : str
        ``test``: tracks that neither has learned from; ``all``: all labelled ones.

    Raises
    ------
    ComparisonError, FingerprintMismatchError, UnknownFeatureError
        They cannot be compared on these features.
    """
    if subset not in ("test", "all"):
        raise ParameterError(f"the subset is {subset!r}; wanted test or all")
    path = path_of(features)
    read_summary(path)
    first, second = load_all([model_a, model_b])
    from deepsound.training.comparison import compare_models

    return compare_models(first.bundle, second.bundle, features=path, names=(first.uri, second.uri), subset=subset)
