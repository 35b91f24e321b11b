"""Tracks dealt out to parts, whole groups at a time, so that of every genre each part has the share asked for.

scikit-learn's ``StratifiedGroupKFold`` knows equal folds only. Here groups are dealt out in an order of the seed's
own, one genre after the other, and then moved and exchanged between the parts as long as that brings the shares
closer to what was asked: a local search on squared deviations, in which every genre counts the same.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse

from deepsound.data.groups import LabelledTrack, group_tracks, stable_rank

# What the shares of all tracks count against those of all genres: little, or small genres pay for large groups.
_WEIGHT_OF_ALL = 0.3
# Where whole groups leave all tracks too far from their shares, the genres have to make up for each other.
_WEIGHT_OF_ALL_IF_FAR = 10.0
# More than any deviation: a group that a part lacks.
_LACK = 1e6
# Two groups of a genre are within a share that they exceed by this at most.
_PAIR_ABOVE = 0.02
# Below a five-hundredth of a genre there is nothing to mend.
_TOLERANCE = 0.002
_MAX_ROUNDS = 20
# Groups of a genre that differ in size or place, of which moves are tried; and of those, exchanges.
_MAX_MOVED, _MAX_EXCHANGED = 2000, 200
_ROUNDING = 1e-9

Step = list[tuple[int, int]]


def deal_tracks(
    tracks: Sequence[LabelledTrack],
    *,
    shares: Sequence[float],
    by: str,
    seed: int,
    claims: Sequence[int] = (),
    all_within: float = 1.0,
    kept: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """The part of each track, whatever the order of the tracks.

    Parameters
    ----------
    shares : sequence of float
        Of each part; they sum up to 1.
    by : str
        ``artist`` or ``track``; see :func:`~deepsound.data.groups.group_tracks`.
    claims : sequence of int
        All parts, in the order in which they get a group of a genre that has few. With it, a part gets two groups
        of a genre where two of the smallest are within its share, so that no genre is judged by one artist.
    all_within : float
        How far the shares of all tracks may be from what was asked before genres make up for each other.
    kept : mapping of str to int, optional
        track_id to part, of tracks that stay where they are. The rest of their group is put with most of them.

    Returns
    -------
    dict of str to int
        track_id to 0 .. n_parts - 1.
    """
    groups = group_tracks(tracks, by=by)
    names = sorted(groups, key=lambda name: stable_rank(name, seed=seed))
    genres = {genre: index for index, genre in enumerate(sorted({track.genre for track in tracks}))}
    sizes = [len(groups[name]) for name in names]
    members = [track for name in names for track in groups[name]]
    places = (np.repeat(np.arange(len(names)), sizes), [genres[track.genre] for track in members])
    counts = scipy.sparse.csr_matrix((np.ones(len(members)), places), shape=(len(names), len(genres)))
    stay = np.array([_place_of(groups[name], kept) for name in names]) if kept else np.full(len(names), -1)
    dealing = _Dealing(counts, np.array(shares), np.array(claims, np.int64), stay)
    dealing.mend(_WEIGHT_OF_ALL)
    if np.abs(dealing.deviations_of_all).max() > all_within * len(members):
        dealing.mend(_WEIGHT_OF_ALL_IF_FAR)
    dealt = np.repeat(dealing.parts, sizes).tolist()
    return {track.track_id: part for track, part in zip(members, dealt, strict=True)} | dict(kept or {})


def _place_of(group: Sequence[LabelledTrack], kept: Mapping[str, int]) -> int:
    """The part where most of the kept tracks of a group are; -1 where none is kept."""
    known = [kept[track.track_id] for track in group if track.track_id in kept]
    return max(sorted(set(known)), key=known.count) if known else -1


class _Dealing:
    """Groups in parts, and how far these are from what was asked.

    Parameters
    ----------
    counts : scipy.sparse.csr_matrix [shape=(n_groups, n_genres)]
        Tracks; the groups in the order of the seed. A group is dealt out with the genre that it has most of, the
        first one on a tie.
    shares : np.ndarray [shape=(n_parts,), float]
    claims : np.ndarray [shape=(n_parts,) or (0,), int]
    stay : np.ndarray [shape=(n_groups,), int]
        The part where a group stays, -1 where it may be anywhere.

    Attributes
    ----------
    parts : np.ndarray [shape=(n_groups,), int]
    """

    def __init__(
        self, counts: scipy.sparse.csr_matrix, shares: np.ndarray, claims: np.ndarray, stay: np.ndarray
    ) -> None:
        self._counts, self._shares, self._n_parts = counts, shares, len(shares)
        self._sizes = np.asarray(counts.sum(axis=1)).ravel()
        totals = np.asarray(counts.sum(axis=0)).ravel()
        self._targets = totals[:, None] * shares
        genres = np.asarray(counts.argmax(axis=1)).ravel()
        order = np.argsort(genres, kind="stable")
        bounds = np.searchsorted(genres[order], np.arange(1, len(totals)))
        members = np.split(order, bounds)
        self._needed = np.array([self._needs(of_genre, totals[g], claims) for g, of_genre in enumerate(members)])
        self.parts = stay.copy()
        for genre, of_genre in enumerate(members):
            self._deal(genre, of_genre)
        self._free = [of_genre[stay[of_genre] < 0] for of_genre in members]
        # Genres take turns in the order of the seed: who comes first pays most for the others.
        self._turns = list(dict.fromkeys(genres.tolist()))
        there = (np.arange(len(self.parts)), self.parts)
        shape = (len(self.parts), self._n_parts)
        is_there = scipy.sparse.csr_matrix((np.ones(len(self.parts)), there), shape=shape)
        self._deviations = (counts.T @ is_there).toarray() - self._targets
        self._n_groups = np.zeros_like(self._needed)
        np.add.at(self._n_groups, (genres, self.parts), 1)

    @property
    def deviations_of_all(self) -> np.ndarray:
        """Tracks that each part has above its share [shape=(n_parts,)]."""
        deviations: np.ndarray = self._deviations.sum(axis=0)
        return deviations

    def mend(self, weight_of_all: float) -> None:
        """Move and exchange groups until nothing brings the shares closer to what was asked."""
        for _ in range(_MAX_ROUNDS):
            # Every genre has its turn in every round.
            have_moved = [self._mend_genre(genre, weight_of_all) for genre in self._turns]
            if not any(have_moved):
                return

    def _needs(self, members: np.ndarray, total: float, claims: np.ndarray) -> np.ndarray:
        """How many groups of a genre each part must have."""
        needed = np.zeros(self._n_parts, np.int64)
        needed[claims[: len(members)]] = 1
        if len(claims) and len(members) >= 2 * self._n_parts:
            by_share = np.argsort(self._shares, kind="stable")
            pairs = np.sort(self._sizes[members])[: 2 * self._n_parts].reshape(-1, 2).sum(axis=1)
            needed[by_share] += pairs <= total * (self._shares[by_share] + _PAIR_ABOVE)
        return needed

    def _deal(self, genre: int, members: np.ndarray) -> None:
        """Cut the order of the seed where the shares end, less what is there already."""
        is_free = self.parts[members] < 0
        staying, free = members[~is_free], members[is_free]
        there = np.bincount(self.parts[staying], weights=self._sizes[staying], minlength=self._n_parts)
        wanted = np.maximum(self._targets[genre] - there, 0)
        wanted = wanted if wanted.any() else self._shares
        sizes = self._sizes[free]
        middles = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
        ends = np.cumsum(wanted / wanted.sum())[:-1]
        self.parts[free] = np.searchsorted(ends, middles, side="right")

    def _mend_genre(self, genre: int, weight_of_all: float) -> bool:
        free = self._free[genre]
        is_pure = np.diff(self._counts.indptr)[free] == 1
        # Groups of one genre and size are alike, so that one of them in each part is all there is to try.
        kinds = np.where(is_pure, self._sizes[free].astype(np.int64), -1 - np.arange(len(free)))
        has_moved = False
        while len(free) and not self._is_mended(genre):
            keys = kinds * self._n_parts + self.parts[free]
            first = np.sort(np.unique(keys, return_index=True)[1])
            step = self._best_step(genre, free[first[:_MAX_MOVED]], weight_of_all)
            if not step:
                break
            for group, part in step:
                self._move(genre, group, part)
            has_moved = True
        return has_moved

    def _is_mended(self, genre: int) -> bool:
        off = np.abs(self._deviations[genre]).max() / self._targets[genre].sum()
        off_all = np.abs(self.deviations_of_all).max() / self._targets.sum()
        return bool(max(off, off_all) < _TOLERANCE and (self._n_groups[genre] >= self._needed[genre]).all())

    def _move(self, genre: int, group: int, part: int) -> None:
        row, former = self._counts[group].toarray().ravel(), self.parts[group]
        self._deviations[:, former] -= row
        self._deviations[:, part] += row
        self._n_groups[genre, former] -= 1
        self._n_groups[genre, part] += 1
        self.parts[group] = part

    def _best_step(self, genre: int, groups: np.ndarray, weight_of_all: float) -> Step:
        """The move or exchange that brings the shares closest; empty where none brings them any closer."""
        rows, slopes, curves = self._landscape(groups, weight_of_all)
        here = self.parts[groups]
        lacks = _LACK * (self._n_groups[genre] < self._needed[genre])
        keeps = _LACK * (self._n_groups[genre] <= self._needed[genre])
        leaving = (rows**2 @ curves - rows @ slopes)[np.arange(len(groups)), here] + keeps[here]
        moves = leaving[:, None] + rows**2 @ curves + rows @ slopes - lacks
        moves[np.arange(len(groups)), here] = np.inf
        exchanges = _exchange(rows[:_MAX_EXCHANGED], slopes, curves, here[:_MAX_EXCHANGED])
        # Rounded, so that on every machine the same of two that are as good comes first.
        i, part = np.unravel_index(np.argmin(moves.round(12)), moves.shape)
        one, other = np.unravel_index(np.argmin(exchanges.round(12)), exchanges.shape)
        if min(moves[i, part], exchanges[one, other]) > -_ROUNDING:
            return []
        if moves[i, part] <= exchanges[one, other]:
            return [(int(groups[i]), int(part))]
        return [(int(groups[one]), int(here[other])), (int(groups[other]), int(here[one]))]

    def _landscape(self, groups: np.ndarray, weight_of_all: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tracks of groups by genre and in all, and what a track more of each does to the squared deviations.

        Returns
        -------
        np.ndarray [shape=(n_groups, n_kinds)]
        np.ndarray [shape=(n_kinds, n_parts)]
            The linear part.
        np.ndarray [shape=(n_kinds, n_parts)]
            The quadratic part.
        """
        rows = self._counts[groups].toarray()
        is_used = rows.any(axis=0)
        totals, n_all = self._targets[is_used].sum(axis=1), self._targets.sum()
        deviations = np.vstack([self._deviations[is_used], self.deviations_of_all])
        weights = np.append(1 / totals**2, weight_of_all * self._counts.shape[1] / n_all**2)
        curves = weights[:, None] / self._shares
        return np.column_stack([rows[:, is_used], rows.sum(axis=1)]), 2 * deviations * curves, curves


def _exchange(rows: np.ndarray, slopes: np.ndarray, curves: np.ndarray, here: np.ndarray) -> np.ndarray:
    """What it does to the squared deviations if two groups change places [shape=(n_groups, n_groups)]."""
    # What comes where the first one was, and goes where the second one was.
    net = rows[None] - rows[:, None]
    linear = np.einsum("ijk,ki->ij", net, slopes[:, here]) - np.einsum("ijk,kj->ij", net, slopes[:, here])
    squared = net**2
    changes: np.ndarray = linear + np.einsum("ijk,ki->ij", squared, curves[:, here])
    changes += np.einsum("ijk,kj->ij", squared, curves[:, here])
    changes[here[:, None] == here] = np.inf
    return changes
