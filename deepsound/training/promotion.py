"""Which model is the champion: the one that is used where no version is named.

A new model takes the alias only when it is **shown to be better** than the champion on the same tracks, by a
higher accuracy and a two-sided test, artists as units, with p < 0.05. The tracks are those of the new model's
collection of which both have a prediction without having learned from them; see
:mod:`deepsound.training.held_out`. Not-worse would not do: by luck alone every other retraining is a little better
on given tracks. The champion stays, and the reason is told, where it cannot be loaded, wants other features, knows
other genres, or shares no track with the collection, or where there is no track to compare on.

The first model of a name is promoted. A model whose own split leaks never is, as its figures flatter. One that the
user asks to promote always is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deepsound.errors import DeepsoundError
from deepsound.evaluation.paired import PairedComparison, compare_paired
from deepsound.evaluation.power import describe_power
from deepsound.models.bundle import Bundle
from deepsound.models.compatibility import check_features
from deepsound.training import registry
from deepsound.training.dataset import Dataset, Subset
from deepsound.training.held_out import HeldOut

_LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A decision: whether the new model becomes champion, why, and the comparison, where there was one."""

    is_promoted: bool
    reason: str
    paired: PairedComparison | None = None

    @property
    def verdict(self) -> str:
        """The decision as a tag."""
        return "promoted" if self.is_promoted else "kept former"

    def describe(self) -> str:
        """The decision in one line."""
        return f"{'promoted to' if self.is_promoted else 'not'} champion: {self.reason}"


def decide_promotion(
    bundle: Bundle, dataset: Dataset, *, champion: registry.RegisteredModel | None, is_asked_for: bool
) -> Promotion:
    """Decide whether a new model, trained on the dataset, becomes champion in the place of the present one."""
    if dataset.audit.leaks:
        stays = "there is no champion yet" if champion is None else f"version {champion.version} stays"
        reason = f"this model's split leaks, so that its figures flatter; {stays}"
        held = Promotion(is_promoted=False, reason=reason)
    elif champion is None:
        held = Promotion(is_promoted=True, reason="the first model of this name")
    else:
        held = _hold_against(champion, bundle, dataset)
    if held.is_promoted or not is_asked_for:
        return held
    return Promotion(is_promoted=True, reason=f"asked for by --promote ({held.reason})", paired=held.paired)


def _hold_against(champion: registry.RegisteredModel, bundle: Bundle, dataset: Dataset) -> Promotion:
    name = f"version {champion.version}"
    try:
        former = registry.load_bundle(champion.uri)
        check_features(former, dataset.summary)
    except DeepsoundError as exc:
        return Promotion(is_promoted=False, reason=f"{name} cannot be compared with, so it stays: {exc}")
    if set(former.taxonomy.genres) != set(dataset.taxonomy.genres):
        reason = f"{name} knows other genres ({', '.join(former.taxonomy.genres)}), so it stays"
        return Promotion(is_promoted=False, reason=reason)
    if not _share_a_track(former.split.to_pylist(), dataset.split.to_pylist()):
        reason = f"{name} was trained on another collection, without a track in common, so it stays"
        return Promotion(is_promoted=False, reason=reason)
    paired = _compare(HeldOut(bundle), HeldOut(former), dataset)
    if paired is None:
        reason = f"there is no track to compare on that neither it nor {name} has learned from, so that stays"
        return Promotion(is_promoted=False, reason=reason)
    figures = (
        f"{name} on {paired.n_tracks} tracks that neither had learned from: alone right on {paired.n_only_a}, "
        f"alone wrong on {paired.n_only_b}, accuracy {paired.difference:+.3f} "
        f"[{paired.low:+.3f}, {paired.high:+.3f}], {paired.describe_test()}; {describe_power(paired)}"
    )
    if paired.difference > 0 and paired.p_value < _LEVEL:
        return Promotion(is_promoted=True, reason=f"better than {figures}", paired=paired)
    return Promotion(is_promoted=False, reason=f"not shown to be better than {figures}", paired=paired)


def _share_a_track(rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> bool:
    """By id or by content; see :class:`~deepsound.training.held_out.Learned`."""
    return any(
        {row[key] for row in rows if row.get(key)} & {row[key] for row in others if row.get(key)}
        for key in ("track_id", "content_sha256")
    )


def _compare(new: HeldOut, former: HeldOut, dataset: Dataset) -> PairedComparison | None:
    """On the tracks of which both have a prediction without having learned from them; None without such tracks."""
    collection = dataset.collect()
    rows = [asdict(track) for track in collection.tracks]
    is_common = np.array([new.covers(row) and former.covers(row) for row in rows])
    if not is_common.any():
        return None
    segments = collection.segments.pick(is_common)
    common = [row for row, is_in in zip(rows, is_common, strict=True) if is_in]

    def read(positions: np.ndarray) -> Subset:
        is_wanted = np.zeros(len(common), bool)
        is_wanted[positions] = True
        return segments.pick(is_wanted)

    # The champion's own order of genres may be another one, which does not matter to who is right.
    one, other = (side.predict(common, read=read) for side in (new, former))
    return compare_paired(one.is_right, other.is_right, units=one.units)
