"""Training a model."""

import pathlib
from collections.abc import Callable
from typing import Any

from deepsound.api.features import Features, path_of
from deepsound.api.model import Model
from deepsound.api.settings import resolve_settings, takes_settings
from deepsound.config import TrainSettings
from deepsound.console import say
from deepsound.native_logs import muted_native_logs


@takes_settings(TrainSettings)
def train(
    features: Features | str | pathlib.Path,
    *,
    config: str | None = None,
    promote: bool = False,
    progress: Callable[[str], None] = say,
    **settings: Any,
) -> Model:
    """Train, evaluate on tracks that were not learned from, log an MLflow run, register, promote what is better.

    Parameters
    ----------
    features : Features or path
    config : str, optional
        A YAML file of settings, or a name in ``conf/``.
    promote : bool
        Make it the champion whatever comes out.
    progress : callable
        Gets a line of text at a time.

    Raises
    ------
    DeepsoundError
        See its classes: the data, the settings or the store do not allow it.
    """
    resolved = resolve_settings(TrainSettings, settings, section="train", config=config)
    return train_resolved(path_of(features), resolved, promote=promote, progress=progress)


def train_resolved(
    features: str, settings: TrainSettings, *, promote: bool, progress: Callable[[str], None]
) -> Model:
    """The same of settings that were read already, after a search for them where one is asked for."""
    check_training(features, settings=settings)
    with muted_native_logs():
        from deepsound.training.train import train as run
        from deepsound.training.trial_runs import link_search
    search_run_id = None
    if settings.search.n_trials:
        settings, search_run_id = _search(features, settings, progress)
    result = run(features, settings=settings, report=progress, promote=promote)
    if search_run_id is not None:
        link_search(search_run_id, train_run_id=result.run_id)
    return Model(result.bundle, uri=result.model.uri, training=result)


def check_training(features: str, *, settings: TrainSettings) -> None:
    """Refuse what is wrong before TensorFlow and MLflow are imported."""
    from deepsound.data.early import check_features, check_split_lists
    from deepsound.training.known_models import check_model

    check_features(features, feature=settings.feature)
    check_split_lists(settings.split_lists)
    if settings.split.like is not None:
        check_model(settings.split.like)


def _search(features: str, settings: TrainSettings, progress: Callable[[str], None]) -> tuple[TrainSettings, str]:
    """The best settings and the search's run; trials run on Spark where there is a server that they can log to."""
    from deepsound.training.mlflow_store import is_server, open_store
    from deepsound.training.search import search

    if settings.search.n_parallel == 1 or not is_server(open_store()):
        outcome = search(features, settings=settings, report=progress)
        return outcome.settings, outcome.run_id
    from deepsound.spark.search import SparkTrials
    from deepsound.spark.session import open_session

    with open_session("deepsound search") as spark:
        outcome = search(features, settings=settings, report=progress, on_spark=SparkTrials(spark))
    return outcome.settings, outcome.run_id
