"""The smaller sections of the settings of ``jobs/train.py``."""

from dataclasses import dataclass

from deepsound.config.check import check_setting
from deepsound.config.extract import DEFAULT_VGGISH

FINETUNED_FEATURE = "vggish_log_mel"
# From the input up.
VGGISH_BLOCKS = ("conv1", "conv2", "conv3", "conv4", "fc")
OOD_SCORES = ("energy", "knn", "feature_mahalanobis")


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """VGGish trained on, end to end from its log-mel patches: first a new head, then the upper blocks with it.

    The head is trained as ``epochs``, ``learning_rate`` and ``batch_size`` say, the blocks as those here do.
    """

    # Where the weights to start from are: as ``network`` of the extraction.
    network: str = DEFAULT_VGGISH
    # fc are the three dense layers, 94 % of the weights; none leaves it at the head.
    unfreeze: tuple[str, ...] = ("fc", "conv4")
    epochs: int = 10
    learning_rate: float = 1e-5
    # Segments. Ten patches of a segment of 10 s take 0.1 GB of activations.
    batch_size: int = 8
    # Before the logits.
    dropout: float = 0.5

    def __post_init__(self) -> None:
        wanted = "a TF-Hub handle, a path or random:SEED"
        check_setting(bool(self.network.strip()), "finetune.network", self.network, wanted)
        from_above = VGGISH_BLOCKS[::-1]
        is_upper = set(self.unfreeze) == set(from_above[: len(self.unfreeze)])
        wanted = f"the upper blocks without a gap ([fc], [fc, conv4], ...) of {', '.join(from_above)}, or []"
        check_setting(is_upper, "finetune.unfreeze", self.unfreeze, wanted)
        for name in ("epochs", "batch_size"):
            check_setting(getattr(self, name) >= 1, f"finetune.{name}", getattr(self, name), "at least 1")
        rate = self.learning_rate
        check_setting(0 < rate <= 1, "finetune.learning_rate", rate, "a number in (0, 1]")
        check_setting(0 <= self.dropout < 1, "finetune.dropout", self.dropout, "0 to below 1")


@dataclass(frozen=True, kw_only=True)
class OodSettings:
    """Which score decides; :mod:`deepsound.evaluation.ood` says what each is and how the default was chosen."""

    score: str = "feature_mahalanobis"

    def __post_init__(self) -> None:
        check_setting(self.score in OOD_SCORES, "ood.score", self.score, f"one of {', '.join(OOD_SCORES)}")


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """What ``scorecard.html`` holds beside its figures."""

    # Tracks of which ten seconds can be heard in the page; 0 for none.
    audio: int = 24

    def __post_init__(self) -> None:
        check_setting(0 <= self.audio <= 200, "report.audio", self.audio, "0 to 200")


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
