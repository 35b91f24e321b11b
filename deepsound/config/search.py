"""Settings of the hyperparameter search."""

from dataclasses import dataclass

from deepsound.config.check import check_setting


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """A search of the architecture's space before the model itself is trained; see :mod:`deepsound.config.space`.

    The same search goes on where it was stopped: ``n_trials`` counts all that it ever finished.
    """

    # 0: no search.
    n_trials: int = 0
    # Of the training and validation tracks; the test tracks take no part.
    n_folds: int = 3
    # Trials at a time: tasks of Spark where MLFLOW_TRACKING_URI is a server, else processes on this machine.
    n_parallel: int = 1
    # No new trial is started after so long.
    timeout_s: float | None = None
    # A file; None for one in DEEPSOUND_CACHE_DIR. A search on Spark keeps its trials in MLflow instead.
    storage: str | None = None

    def __post_init__(self) -> None:
        check_setting(self.n_trials >= 0, "search.n_trials", self.n_trials, "at least 1, or 0 for no search")
        check_setting(self.n_folds >= 2, "search.n_folds", self.n_folds, "at least 2")
        check_setting(self.n_parallel >= 1, "search.n_parallel", self.n_parallel, "at least 1")
        is_time = self.timeout_s is None or self.timeout_s > 0
        check_setting(is_time, "search.timeout_s", self.timeout_s, "seconds above 0, or null")
        is_path = self.storage is None or (bool(self.storage.strip()) and "://" not in self.storage)
        check_setting(is_path, "search.storage", self.storage, "the path of a file, or null")
