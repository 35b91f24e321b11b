"""Tracks as points, so that two of the same recording lie close to each other.

Two views of a track, because neither sees everything. **Sound**: mean and standard deviation over time of each
standardised dimension; deaf to when something happens. **Course**: what happens when, without what is there all
the time; deaf to a constant change such as a codec's lost treble, another level or steady noise.
"""

from dataclasses import dataclass

import numpy as np

from deepsound.errors import ParameterError

# Segments taken to double precision at a time.
_N_SEGMENTS_AT_A_TIME = 1024
# The course is told in so many steps, from no more than so many segments.
_N_STEPS, _MAX_SEGMENTS = 32, 4
# More dimensions are projected at random onto so many, which keeps distances within a few per cent.
# Source: D. Achlioptas, "Database-friendly random projections", J. Comput. Syst. Sci. 66 (2003), theorem 1.1.
_MAX_DIMS = 256
_PROJECTION_SEED = 0
# A course this much weaker than the collection's median does not count: digital silence, a single frame.
_MIN_COURSE = 1e-3


@dataclass(frozen=True, kw_only=True)
class TrackProfiles:
    """Tracks as points, two ways.

    Attributes
    ----------
    sound : np.ndarray [shape=(n_tracks, min(2 n_dims, 256)), float32]
        Each number standardised over the tracks.
    course : np.ndarray [shape=(n_tracks, <= 256), float32]
        Deviations from the track's own mean, step by step, of length 1, less the collection's mean, again of
        length 1.
    has_course : np.ndarray [shape=(n_tracks,), bool]
        False where nothing changes over time; such a ``course`` means nothing.
    """

    sound: np.ndarray
    course: np.ndarray
    has_course: np.ndarray


def profile_tracks(values: np.ndarray, *, track_indices: np.ndarray, n_tracks: int) -> TrackProfiles:
    """Profiles of tracks from their segments.

    Parameters
    ----------
    values : np.ndarray [shape=(n_segments, n_frames, n_dims), float32]
        Each track's segments in the order of time.
    track_indices : np.ndarray [shape=(n_segments,), int, 0 <= index < n_tracks]

    Raises
    ------
    ParameterError
        If a track has no segment.
    """
    counts = np.bincount(track_indices, minlength=n_tracks)
    if not n_tracks or (counts == 0).any():
        raise ParameterError("a track has no segment to be profiled by")
    means, stds = _moments(values, track_indices, counts)
    weights = counts / counts.sum()
    centre = weights @ means
    variance = weights @ (stds**2 + (means - centre) ** 2)
    scale = np.sqrt(np.where(variance > 1e-12, variance, 1.0))
    sound = np.concatenate([means, stds], axis=1) / np.concatenate([scale, scale])
    sound -= sound.mean(axis=0)
    spread = sound.std(axis=0)
    sound /= np.where(spread > 1e-9, spread, 1.0)
    course, has_course = _courses(values, track_indices, counts, scale)
    return TrackProfiles(
        sound=_project(sound.astype(np.float32), _projection(sound.shape[1])),
        course=course,
        has_course=has_course,
    )


def _moments(values: np.ndarray, track_indices: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over all frames of each track [shape=(n_tracks, n_dims), float64]."""
    sums = np.zeros((2, len(counts), values.shape[2]))
    for start in range(0, len(values), _N_SEGMENTS_AT_A_TIME):
        chunk = slice(start, start + _N_SEGMENTS_AT_A_TIME)
        frames = values[chunk].astype(np.float64)
        np.add.at(sums[0], track_indices[chunk], frames.sum(axis=1))
        np.add.at(sums[1], track_indices[chunk], np.einsum("sfd,sfd->sd", frames, frames))
    means, squares = sums / (counts * values.shape[1])[:, np.newaxis]
    return means, np.sqrt(np.maximum(squares - means**2, 0.0))


def _courses(
    values: np.ndarray, track_indices: np.ndarray, counts: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n_segments = min(int(np.median(counts)), _MAX_SEGMENTS)
    n_steps = min(values.shape[1], max(1, _N_STEPS // n_segments))
    edges = np.linspace(0, values.shape[1], n_steps + 1).round().astype(int)
    order = np.argsort(track_indices, kind="stable")
    starts = np.cumsum(counts) - counts
    projection = _projection(n_segments * n_steps * values.shape[2])
    parts = []
    n_at_a_time = max(1, _N_SEGMENTS_AT_A_TIME // n_segments)
    for first in range(0, len(counts), n_at_a_time):
        tracks = np.arange(first, min(first + n_at_a_time, len(counts)))
        places = starts[tracks, np.newaxis] + np.arange(n_segments)
        is_there = np.arange(n_segments) < counts[tracks, np.newaxis]
        chosen = values[order[np.where(is_there, places, starts[tracks, np.newaxis])]]
        steps = np.add.reduceat(chosen, edges[:-1], axis=2, dtype=np.float64)
        steps /= np.diff(edges)[:, np.newaxis]
        is_there = is_there[:, :, np.newaxis, np.newaxis]
        mean = (steps * is_there).sum(axis=(1, 2), keepdims=True) / (is_there.sum(axis=1, keepdims=True) * n_steps)
        deviations = np.where(is_there, (steps - mean) / scale, 0.0).astype(np.float32)
        parts.append(_project(deviations.reshape(len(tracks), -1), projection))
    course = np.concatenate(parts)
    strength = np.linalg.norm(course, axis=1)
    has_course = strength > _MIN_COURSE * max(float(np.median(strength)), 1e-6)
    # To length 1 before the mean is taken off: what is left of a quiet course would be the mean alone.
    course = _to_length_one(course)
    if has_course.any():
        course = _to_length_one(course - course[has_course].mean(axis=0))
    return course, has_course


def _to_length_one(points: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    return scaled


def _projection(n_dims: int) -> np.ndarray | None:
    if n_dims <= _MAX_DIMS:
        return None
    signs = np.random.default_rng(_PROJECTION_SEED).choice(np.array([-1, 1], np.float32), (n_dims, _MAX_DIMS))
    return np.asarray(signs / np.sqrt(np.float32(_MAX_DIMS)), np.float32)


def _project(points: np.ndarray, projection: np.ndarray | None) -> np.ndarray:
    projected: np.ndarray = points if projection is None else points @ projection
    return projected
