"""Which model is the champion: the one that people get who ask for no version.

The rule, for a new model of a name that has a champion: it takes the alias only when it is **shown to be better**
on the same tracks, by a higher accuracy and a two-sided test, artists as units, with p < 0.05. The tracks are the
new model's test tracks without those that the champion has learned from. Not-worse would not do: by luck alone
every other retraining is a little better on a given test split, and a champion that changes with each of them is
chosen for its luck there. Where the two cannot be compared, the champion stays, and the reason is told:

* it cannot be loaded, wants other features, or knows other genres;
* none of its tracks is in the collection (it serves another one), or no test track is new to it.

The first model of a name is promoted. A model whose own split leaks never is, be it the first, as its figures
flatter. One that the user asks to promote always is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepsound.errors import DeepsoundError
from deepsound.evaluation.paired import PairedComparison, compare_paired
from deepsound.models.bundle import Bundle
from deepsound.models.head import load_head
from deepsound.training import registry
from deepsound.training.comparison import check_feature_of, learned_by
from deepsound.training.dataset import Dataset
from deepsound.training.predictions import TrackPredictions, predict_tracks

_LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A decision: whether the new model becomes champion, why, and the comparison, where there was one."""

    is_promoted: bool
    reason: str
    paired: PairedComparison | None = None

    def describe(self) -> str:
        """The decision in one line."""
        return f"{'promoted to' if self.is_promoted else 'not'} champion: {self.reason}"


def decide_promotion(
    predictions: TrackPredictions,
    dataset: Dataset,
    *,
    champion: registry.RegisteredModel | None,
    is_asked_for: bool,
) -> Promotion:
    """Decide whether a new model becomes champion.

    Parameters
    ----------
    predictions : TrackPredictions
        Of the new model, on its test tracks.
    dataset : Dataset
        What it was trained on.
    champion : RegisteredModel or None
        The present one.
    is_asked_for : bool
        Whether the user wants it promoted whatever comes out.
    """
    if dataset.audit.leaks:
        stays = "there is no champion yet" if champion is None else f"version {champion.version} stays"
        reason = f"this model's split leaks, so that its figures flatter; {stays}"
        held = Promotion(is_promoted=False, reason=reason)
    elif champion is None:
        held = Promotion(is_promoted=True, reason="the first model of this name")
    else:
        held = _hold_against(champion, predictions, dataset)
    if held.is_promoted or not is_asked_for:
        return held
    return Promotion(is_promoted=True, reason=f"asked for by --promote ({held.reason})", paired=held.paired)


def _hold_against(
    champion: registry.RegisteredModel, predictions: TrackPredictions, dataset: Dataset
) -> Promotion:
    name = f"version {champion.version}"
    try:
        bundle = registry.load_bundle(champion.uri)
        check_feature_of(bundle, dataset.summary)
    except DeepsoundError as exc:
        return Promotion(is_promoted=False, reason=f"{name} cannot be compared with, so it stays: {exc}")
    if set(bundle.taxonomy.genres) != set(dataset.taxonomy.genres):
        reason = f"{name} knows other genres ({', '.join(bundle.taxonomy.genres)}), so it stays"
        return Promotion(is_promoted=False, reason=reason)
    rows = [row for row in dataset.split.to_pylist() if row["split"] == "test"]
    is_new = np.array([not learned_by(bundle).has_seen(row) for row in rows])
    obstacle = _obstacle(name, bundle, dataset, n_new=int(is_new.sum()))
    if obstacle is not None:
        return Promotion(is_promoted=False, reason=obstacle)
    return _compare(name, bundle, predictions, dataset, is_new)


def _obstacle(name: str, bundle: Bundle, dataset: Dataset, *, n_new: int) -> str | None:
    if not _share_a_track(bundle.split.to_pylist(), dataset.split.to_pylist()):
        return f"{name} was trained on another collection, without a track in common, so it stays"
    if not n_new:
        return f"{name} has learned from every test track, so there is none to compare on, and it stays"
    return None


def _share_a_track(rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> bool:
    """By id or by content; see :class:`~deepsound.training.comparison.Learned`."""
    return any(
        {row[key] for row in rows if row.get(key)} & {row[key] for row in others if row.get(key)}
        for key in ("track_id", "content_sha256")
    )


def _compare(
    name: str, bundle: Bundle, predictions: TrackPredictions, dataset: Dataset, is_new: np.ndarray
) -> Promotion:
    test = dataset.test.pick(is_new)
    ids = [track_id for track_id, new in zip(predictions.track_ids, is_new.tolist(), strict=True) if new]
    # The champion's own order of genres may be another one.
    order = np.array([bundle.taxonomy.index(genre) for genre in dataset.taxonomy.genres])
    judged = predict_tracks(load_head(bundle.head), test, track_ids=ids)
    is_right = judged.predicted_indices == order[test.genre_indices]
    paired = compare_paired(predictions.is_right[is_new], is_right, units=judged.units)
    figures = (
        f"{name} on {paired.n_tracks} test tracks that are new to both: alone right on {paired.n_only_a}, alone "
        f"wrong on {paired.n_only_b}, accuracy {paired.difference:+.3f} [{paired.low:+.3f}, {paired.high:+.3f}], "
        f"{paired.describe_test()}"
    )
    if paired.difference > 0 and paired.p_value < _LEVEL:
        return Promotion(is_promoted=True, reason=f"better than {figures}", paired=paired)
    return Promotion(is_promoted=False, reason=f"not shown to be better than {figures}", paired=paired)
