"""Settings of what tells out-of-distribution tracks from those like the training tracks."""

from dataclasses import dataclass

from deepsound.config.check import check_setting

OOD_SCORES = ("energy", "knn", "feature_mahalanobis")


@dataclass(frozen=True, kw_only=True)
class OodSettings:
    """Which score decides; :mod:`deepsound.evaluation.ood` says what each is and how the default was chosen."""

    score: str = "feature_mahalanobis"

    def __post_init__(self) -> None:
        check_setting(self.score in OOD_SCORES, "ood.score", self.score, f"one of {', '.join(OOD_SCORES)}")
