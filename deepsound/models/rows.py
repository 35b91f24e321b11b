"""Rows of a feature, as tables hold them, to scores: what a pandas UDF calls, and usable without Spark."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepsound.models.head import Head

MISSING, MALFORMED, NOT_FINITE = "missing", "malformed", "not_finite"
# Of several in one track, the first of these is told.
REASONS = (MALFORMED, MISSING, NOT_FINITE)


@dataclass(frozen=True, kw_only=True)
class RowScores:
    """Scores of rows; those with a reason have none.

    Attributes
    ----------
    predicted_genres : list of (str or None) [length n_rows]
    confidences, ood_scores : np.ndarray [shape=(n_rows,), float64]
        NaN where there is no score.
    probabilities : list of (np.ndarray [shape=(n_genres,), float64] or None) [length n_rows]
    reasons : list of (str or None) [length n_rows]
        ``missing`` where the row is null, ``malformed`` where it holds another number of numbers than the model
        wants, ``not_finite`` where one of them, or of the scores, is NaN or infinite.
    """

    predicted_genres: list[str | None]
    confidences: np.ndarray
    probabilities: list[np.ndarray | None]
    ood_scores: np.ndarray
    reasons: list[str | None]


def score_rows(head: Head, rows: Sequence[np.ndarray | Sequence[float] | None], *, ood_score: str) -> RowScores:
    """Scores of rows, each by itself.

    Parameters
    ----------
    rows : sequence of (array-like [shape=(n_frames * n_dims,), float] or None)
        Row-major, as ``segments/`` has them.
    ood_score : str
        Of :attr:`~deepsound.models.head.Head.ood_scores`.
    """
    features, reasons = read_rows(rows, shape=head.spec.shape)
    genres, n_genres = head.spec.genres, len(head.spec.genres)
    is_usable = np.array([reason is None for reason in reasons], bool)
    probabilities = np.full((len(reasons), n_genres), np.nan)
    ood_scores = np.full(len(reasons), np.nan)
    if is_usable.any():
        scores = head.score(features[is_usable], ood_scores=[ood_score])
        probabilities[is_usable], ood_scores[is_usable] = scores.probabilities, scores.ood[ood_score]
    is_scored = np.isfinite(probabilities).all(axis=1) & np.isfinite(ood_scores)
    confidences = np.where(is_scored, probabilities.max(axis=1, initial=-np.inf), np.nan)
    predicted = np.where(is_scored[:, np.newaxis], probabilities, 0.0).argmax(axis=1).tolist()
    found = is_scored.tolist()
    return RowScores(
        predicted_genres=[genres[i] if ok else None for i, ok in zip(predicted, found, strict=True)],
        confidences=confidences,
        probabilities=[row if ok else None for row, ok in zip(probabilities, found, strict=True)],
        ood_scores=np.where(is_scored, ood_scores, np.nan),
        reasons=[r or (None if ok else NOT_FINITE) for r, ok in zip(reasons, found, strict=True)],
    )


def read_rows(
    rows: Sequence[np.ndarray | Sequence[float] | None], *, shape: tuple[int, int]
) -> tuple[np.ndarray, list[str | None]]:
    """Rows as one array, and what is wrong with each.

    Returns
    -------
    features : np.ndarray [shape=(n_rows, n_frames, n_dims), float32]
        0 where a row is missing or malformed.
    reasons : list of (str or None)
    """
    size = shape[0] * shape[1]
    features = np.zeros((len(rows), size), np.float32)
    reasons: list[str | None] = [
        MISSING if row is None else None if len(row) == size else MALFORMED for row in rows
    ]
    whole = [i for i, reason in enumerate(reasons) if reason is None]
    if whole:
        # What float32 does not hold is infinite, and told as such.
        with np.errstate(over="ignore"):
            features[whole] = np.stack([np.asarray(rows[i], np.float32) for i in whole])
    for i in np.flatnonzero(~np.isfinite(features).all(axis=1)).tolist():
        reasons[i] = NOT_FINITE
    return features.reshape(-1, *shape), reasons
