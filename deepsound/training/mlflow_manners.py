"""How MLflow behaves, by its environment variables, for as long as a block; what the user has set holds."""

import contextlib
import importlib.util
import os
from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def short_patience() -> Iterator[None]:
    """Wait seconds, not minutes, for a server that may not be there.

    MLflow's own patience, two minutes a request and seven retries, is for uploads. Whether there is a server
    at all shows within seconds.
    """
    with _environment({"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}):
        yield


@contextlib.contextmanager
def without_progress_bar() -> Iterator[None]:
    """Draw no bar over the files of a model."""
    with _environment({"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}):
        yield


def can_log_system_metrics() -> bool:
    """Whether MLflow can, as psutil is installed, and the user has not said whether it shall."""
    is_open = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING" not in os.environ
    return is_open and importlib.util.find_spec("psutil") is not None


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    added = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
