"""How a head is trained: what can be asked for, and what serves which architecture and feature best."""

from dataclasses import dataclass

from deepsound.config.check import check_setting

SCHEDULES = ("constant", "cosine")
# Heads that are fitted in a moment, and so may stand beside any network.
LINEAR = ("lda", "logistic")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How long a head is trained, on what, and what it is averaged with.

    ``patience`` counts epochs without a lower validation loss before training stops; 0 trains them all. A track of
    an artist with n tracks counts n ** -artist_balance. ``n_seeds`` networks that differ by their seed alone are
    averaged into one, with linear heads (``average_with``) that are brought to their own temperatures first.
    ``refit`` trains once more, as long, on the training and validation tracks together.
    """

    schedule: str
    patience: int
    artist_balance: float
    n_seeds: int
    average_with: tuple[str, ...]
    refit: bool

    def __post_init__(self) -> None:
        check_setting(self.n_seeds >= 1, "n_seeds", self.n_seeds, "at least 1")
        check_setting(self.patience >= 0, "patience", self.patience, "at least 1, or 0 to train all epochs")
        check_setting(self.schedule in SCHEDULES, "schedule", self.schedule, f"one of {', '.join(SCHEDULES)}")
        check_setting(0 <= self.artist_balance <= 1, "artist_balance", self.artist_balance, "0 to 1")
        is_linear = set(self.average_with) <= set(LINEAR)
        is_linear = is_linear and len(set(self.average_with)) == len(self.average_with)
        wanted = f"nothing, or different ones of {', '.join(LINEAR)}"
        check_setting(is_linear, "average_with", self.average_with, wanted)


PLAIN = Recipe(schedule="constant", patience=10, artist_balance=0.0, n_seeds=1, average_with=(), refit=False)
# Chosen by five draws of five folds of 443 GTZAN tracks, artists apart: docs/heads.md.
FOR_CNN_ON_EMBEDDINGS = Recipe(
    schedule="cosine", patience=0, artist_balance=0.5, n_seeds=1, average_with=("lda",), refit=True
)
