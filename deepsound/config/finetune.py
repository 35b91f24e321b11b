"""Settings of the architecture ``vggish_finetune``."""

from dataclasses import dataclass

from deepsound.config.check import check_setting
from deepsound.config.extract import DEFAULT_VGGISH

FINETUNED_FEATURE = "vggish_log_mel"
# From the input up.
VGGISH_BLOCKS = ("conv1", "conv2", "conv3", "conv4", "fc")


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
