"""Which tracks are the same recording under another name: re-encoded, at another level, with a little noise.

The rule asks of two tracks how much closer they are than chance makes them. Around a track, let ``r`` be the
distance of its k-th neighbour. Were the k - 1 nearer ones spread evenly in a ball of ``m`` dimensions, one of
them would lie within ``d`` with probability of at most ``(k - 1) (d / r)^m``, whatever the density there (the law
of ratios of neighbour distances: E. Facco et al., "Estimating the intrinsic dimension of datasets by a minimal
neighborhood information", Sci. Rep. 7, 12140, 2017; F. Denti et al., Sci. Rep. 12, 20005, 2022). Times the number
of tracks, that is how many such pairs a collection without any copy would show: the *expected number*, as BLAST
counts its hits. A pair is a near-duplicate where that number is below 0.001 and its distance below half of ``r``,
seen from either track and for k = 5 and k = 10 (from 31 tracks on).

The dimension m comes from the same data, as ``ln 2 / median(ln(r_2k / r_k))``: a median, and of distances beyond
the copies, so that a collection with a copy of every track gives the same m as one without.

So the false-alarm rate is at most 0.002 pairs a collection (two views: :mod:`deepsound.evaluation.profiles`) as
far as the law holds. Real music is more clustered than the law: that is why k = 5 must agree (five pieces for the
same piano are no copies), and why half of ``r`` is asked for as well.
"""

from dataclasses import dataclass

import numpy as np

from deepsound.errors import ParameterError
from deepsound.evaluation.profiles import TrackProfiles

MAX_EXPECTED = 1e-3
MAX_RATIO = 0.5
# k, and how many tracks there must be: with hardly more than 2 k, r_2k is the far side of the collection.
_REFERENCES = {5: 11, 10: 31}
# A recording that is there more than k times over hides its own k-th neighbour. Courses of different recordings
# are never close, so there, and only there, a neighbour nearer than half of what is usual is not taken for usual.
_COURSE_FLOOR = 0.5
MIN_TRACKS = min(_REFERENCES.values())


@dataclass(frozen=True, kw_only=True)
class NearDuplicate:
    """Two tracks, by position, that are too close for chance.

    ``view`` is ``sound`` or ``course``, whichever tells them closer; ``ratio`` their distance over that of the
    neighbours that tracks like them have; ``n_expected`` how many pairs as close chance would make.
    """

    first: int
    second: int
    view: str
    ratio: float
    n_expected: float


def find_near_duplicates(profiles: TrackProfiles) -> list[NearDuplicate]:
    """All near-duplicate pairs, the closest first; none among fewer than 11 tracks, too few to tell by."""
    with_course = np.flatnonzero(profiles.has_course)
    found: dict[tuple[int, int], NearDuplicate] = {}
    views = (
        ("sound", profiles.sound, np.arange(len(profiles.sound)), 0.0),
        ("course", profiles.course[with_course], with_course, _COURSE_FLOOR),
    )
    for view, points, positions, floor in views:
        for pair in _close_pairs(points, view=view, positions=positions, floor=floor):
            key = pair.first, pair.second
            if key not in found or pair.n_expected < found[key].n_expected:
                found[key] = pair
    return sorted(found.values(), key=lambda pair: (pair.ratio, pair.first, pair.second))


def _close_pairs(points: np.ndarray, *, view: str, positions: np.ndarray, floor: float) -> list[NearDuplicate]:
    references = [k for k, n_needed in _REFERENCES.items() if len(points) >= n_needed]
    if not references:
        return []
    indices, distances = find_neighbours(points, n_neighbours=2 * max(references))
    ratios = np.zeros(distances.shape)
    n_expected = np.zeros(distances.shape)
    for k in references:
        usual = distances[:, k - 1]
        usual = np.maximum(usual, floor * np.median(usual))
        smaller = np.minimum(usual[:, np.newaxis], usual[indices])
        # Equal tracks among equal tracks: 0 / 0 is as close as can be.
        ratio = np.where(distances > 0, distances / np.maximum(smaller, 1e-300), 0.0)
        ratios = np.maximum(ratios, ratio)
        chance = len(points) * (k - 1) * np.minimum(ratio, 1.0) ** estimate_dimension(distances, k=k)
        n_expected = np.maximum(n_expected, chance)
    rows, places = np.nonzero((ratios < MAX_RATIO) & (n_expected < MAX_EXPECTED))
    pairs = {}
    for row, place in zip(rows, places, strict=True):
        first, second = sorted((int(positions[row]), int(positions[indices[row, place]])))
        pairs[first, second] = NearDuplicate(
            first=first,
            second=second,
            view=view,
            ratio=float(ratios[row, place]),
            n_expected=float(n_expected[row, place]),
        )
    return list(pairs.values())


def estimate_dimension(distances: np.ndarray, *, k: int) -> float:
    """Intrinsic dimension, 1 to 100, from ascending distances [shape=(n_tracks, >= 2 k)] of neighbours.

    Within r_2k, a share ``(r_k / r_2k)^m`` of the volume lies within r_k; its median over tracks is one half. 1
    where most tracks are equal to so many others that nothing can be estimated.
    """
    near, far = distances[:, k - 1], distances[:, 2 * k - 1]
    is_spread = near > 0
    if 2 * is_spread.sum() < len(distances):
        return 1.0
    median = float(np.median(np.log(far[is_spread] / near[is_spread])))
    return float(np.clip(np.log(2) / max(median, 1e-12), 1.0, 100.0))


def find_neighbours(points: np.ndarray, *, n_neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other points of each point, by Euclidean distance.

    Returns
    -------
    indices : np.ndarray [shape=(n_points, n_neighbours), int64]
    distances : np.ndarray [shape=(n_points, n_neighbours), float64]
        Ascending; from the differences, so that equal points are at distance 0.

    Raises
    ------
    ParameterError
        If there are not so many other points.
    """
    # Not at the top: what imports this module need not have scikit-learn.
    from sklearn.neighbors import NearestNeighbors

    if not 1 <= n_neighbours < len(points):
        raise ParameterError(f"{n_neighbours} neighbours of {len(points)} points; wanted 1 to {len(points) - 1}")
    # Around the mean, where float32 has most digits to spare.
    points = points - points.mean(axis=0, dtype=np.float64).astype(np.float32)
    search = NearestNeighbors(n_neighbors=n_neighbours, algorithm="brute").fit(points)
    near = search.kneighbors(return_distance=False)
    distances = np.empty(near.shape)
    for place, column in enumerate(near.T):
        gaps = points.astype(np.float64) - points[column]
        distances[:, place] = np.sqrt(np.einsum("ij,ij->i", gaps, gaps))
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(near, order, axis=1), np.take_along_axis(distances, order, axis=1)
