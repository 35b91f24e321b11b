"""Tracks on a page: what they are taken for, when, and ten seconds of them to be heard."""

import base64
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import PIL.Image

from deepsound.audio.clips import Clip
from deepsound.evaluation.examples import Example, Examples
from deepsound.evaluation.render.wording import percent

_MAX_NAME, _MAX_GENRE = 160, 40
_MAGMA = matplotlib.colormaps["magma"](range(256), bytes=True)[:, :3].tobytes()
# Of the names of all tracks in the script's data, in UTF-8.
_MAX_NAMES_BYTES = 400_000


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A part of a track's timeline, in percent of its length; ``style``: is it taken for what it is."""

    left: float
    width: float
    words: str
    style: str


@dataclass(frozen=True, kw_only=True)
class Player:
    """A card of a track.

    Attributes
    ----------
    place : int
        Its place among the page's tracks, by which lists and charts find it.
    note : str
        What else it stands for, if anything.
    verdict : str
        What it is taken for, and how surely.
    audio, picture : str
        Data URIs; both empty where nothing can be heard, and ``why_silent`` then says why.
    heard : Stretch or None
        Where the clip lies in the timeline.
    bars : tuple of (genre, share in percent, style)
    """

    place: int
    name: str
    note: str
    verdict: str
    audio: str
    picture: str
    why_silent: str
    timeline: tuple[Stretch, ...]
    heard: Stretch | None
    bars: tuple[tuple[str, float, str], ...]


def make_players(examples: Examples, places: Iterable[int]) -> tuple[Player, ...]:
    """Cards of some of the tracks."""
    notes: dict[int, str] = {}
    for genre, most, least in examples.typical:
        notes |= {most: f"most typical {genre}", least: f"least typical {genre}"}
    return tuple(_make_player(place, examples.tracks[place], notes.get(place, "")) for place in places)


def _make_player(place: int, example: Example, note: str) -> Player:
    clip = example.clip
    length_s = _length(example)
    return Player(
        place=place,
        name=_shorten(example.track_id),
        note=note,
        verdict=describe_verdict(example),
        audio=f"data:audio/mpeg;base64,{base64.b64encode(clip.mp3).decode()}" if isinstance(clip, Clip) else "",
        picture=_to_png(clip.picture) if isinstance(clip, Clip) else "",
        why_silent="" if isinstance(clip, Clip) else clip,
        timeline=tuple(_stretches(example, length_s)),
        heard=_heard(clip, length_s) if isinstance(clip, Clip) and length_s else None,
        bars=tuple(
            (_shorten(genre, _MAX_GENRE), 100 * chance, "true" if genre == example.true_genre else "")
            for genre, chance in example.guesses
        ),
    )


def to_script_data(examples: Examples) -> dict[str, Any]:
    """What the page's script knows of its tracks.

    Returns
    -------
    dict
        ``genres``; ``tracks``, each as name, place of its true genre (-1 if unknown) and of the predicted one,
        confidence, whether it is out-of-distribution, whether it is heard, and its place on the map, if any;
        ``home``, the places of training segments.
    """
    order = {genre: place for place, genre in enumerate(examples.genres)}
    names = [_shorten(one.track_id) for one in examples.tracks]
    if sum(len(name.encode()) for name in names) > _MAX_NAMES_BYTES:
        names = [_cut_bytes(name, _MAX_NAMES_BYTES // len(names)) for name in names]
    places = [[]] * len(examples.tracks) if examples.places is None else np.round(examples.places, 3).tolist()
    return {
        "genres": [_shorten(genre, _MAX_GENRE) for genre in examples.genres],
        "tracks": [
            [
                name,
                -1 if one.true_genre is None else order[one.true_genre],
                order[one.predicted_genre],
                round(one.confidence, 3),
                int(one.is_ood),
                int(isinstance(one.clip, Clip)),
                *(place if all(map(math.isfinite, place)) else []),
            ]
            for name, one, place in zip(names, examples.tracks, places, strict=True)
        ],
        "home": [] if examples.home_places is None else np.round(examples.home_places, 3).tolist(),
    }


def _shorten(name: str, n_characters: int = _MAX_NAME) -> str:
    """The end of a long name, which tells files of a folder apart."""
    return name if len(name) <= n_characters else f"…{name[1 - n_characters :]}"


def _cut_bytes(name: str, n_bytes: int) -> str:
    return name if len(name.encode()) <= n_bytes else f"…{name.encode()[3 - n_bytes :].decode(errors='ignore')}"


def describe_verdict(example: Example) -> str:
    """What a track is, and what it is taken for."""
    sure = f"{percent(example.confidence)} confidence"
    far = "; out-of-distribution" if example.is_ood else ""
    if example.is_wrong:
        return f"is {example.true_genre}, taken for {example.predicted_genre} with {sure}{far}"
    if example.true_genre is not None:
        return f"is {example.true_genre} and taken for it with {sure}{far}"
    return f"taken for {example.predicted_genre} with {sure}{far}; no label to hold that against"


def _length(example: Example) -> float:
    ends = [segment.start_s + segment.duration_s for segment in example.segments]
    return float(max([example.duration_s or 0.0, *ends]))


def _stretches(example: Example, length_s: float) -> Iterator[Stretch]:
    for segment, end_s in zip(example.segments, _ends(example, length_s), strict=True):
        place = f"{_clock(segment.start_s)} to {_clock(segment.start_s + segment.duration_s)}"
        style = "right" if segment.genre == example.true_genre else "wrong" if example.true_genre else "plain"
        yield Stretch(
            left=100 * segment.start_s / length_s,
            width=100 * max(end_s - segment.start_s, 0.0) / length_s,
            words=f"{place}: {_shorten(segment.genre, _MAX_GENRE)}, {percent(segment.probability)}",
            style=style,
        )


def _ends(example: Example, length_s: float) -> Sequence[float]:
    """Where each stretch ends on the timeline: where the next begins, as segments may overlap."""
    starts = [segment.start_s for segment in example.segments]
    ends = [segment.start_s + segment.duration_s for segment in example.segments]
    return [min(end, later, length_s) for end, later in zip(ends, [*starts[1:], length_s], strict=False)]


def _heard(clip: Clip, length_s: float) -> Stretch:
    words = f"heard: {_clock(clip.start_s)} to {_clock(clip.start_s + clip.duration_s)}"
    left = min(100 * clip.start_s / length_s, 100.0)
    return Stretch(left=left, width=min(100 * clip.duration_s / length_s, 100 - left), words=words, style="heard")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _to_png(picture: np.ndarray) -> str:
    """Low frequencies below, time to the right; a byte a pixel."""
    stream = io.BytesIO()
    image = PIL.Image.fromarray(np.ascontiguousarray(picture.T[::-1]))
    image.putpalette(_MAGMA)
    image.save(stream, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
