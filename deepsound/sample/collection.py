"""Writing the sample collections: clips, manifest, and for the foreign one three broken files."""

import csv
import functools
import pathlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import soundfile

from deepsound.children import children_kept_safe
from deepsound.errors import ParameterError
from deepsound.sample.composer import compose_track, invent_artist, make_foreign
from deepsound.sample.genres import GENRES

_TRACKS_PER_ARTIST = 3
_FIRST = ("Amber", "Cobalt", "Dusty", "Electric", "Fading", "Golden", "Hollow", "Iron", "Lunar", "Paper")
_SECOND = ("Anchors", "Bakery", "Cables", "Dominoes", "Engines", "Ferns", "Gardens", "Lanterns", "Owls", "Tides")
# Extension, rate in Hz, channels: what foreign collections come in.
_FOREIGN_FORMATS = (
    ("wav", 44100, 2),
    ("flac", 48000, 1),
    ("ogg", 32000, 2),
    ("mp3", 44100, 2),
    ("wav", 16000, 1),
    ("mp3", 22050, 1),
    ("flac", 24000, 2),
)


@dataclass(frozen=True, kw_only=True)
class SampleTrack:
    """One file: ``path`` relative to the collection, its genre, and its invented artist."""

    path: str
    genre: str
    artist: str


def compose_collection(
    output_dir: pathlib.Path, *, tracks_per_genre: int = 30, seed: int = 0, n_workers: int | None = None
) -> list[SampleTrack]:
    """Write the training collection: ``<genre>/<genre>_00000.wav`` (22050 Hz, mono) and ``manifest.csv``.

    A track depends on seed, genre and its number only. Three tracks in a row are of one artist.

    Raises
    ------
    ParameterError
        Fewer than one track per genre, or ``output_dir`` is a file.
    """
    _check(output_dir, tracks_per_genre)
    tracks = [
        SampleTrack(
            path=f"{genre}/{genre}_{number:05d}.wav", genre=genre, artist=_artist_name(genre, number, seed)
        )
        for genre in GENRES
        for number in range(tracks_per_genre)
    ]
    numbers = [number for _ in GENRES for number in range(tracks_per_genre)]
    _write_all(functools.partial(_write_track, output_dir, seed), tracks, numbers, n_workers)
    _write_manifest(output_dir, tracks)
    return tracks


def compose_ood_collection(
    output_dir: pathlib.Path, *, tracks_per_genre: int = 5, seed: int = 0, n_workers: int | None = None
) -> list[SampleTrack]:
    """Write the out-of-distribution collection: ``<genre>_<n>.<ext>``, other sounds, rooms and formats.

    Three more files are broken on purpose: no bytes, text, and a FLAC that is cut in its header. Errors are those
    of :func:`compose_collection`.
    """
    _check(output_dir, tracks_per_genre)
    tracks, numbers = [], []
    for index, genre in enumerate(GENRES):
        for number in range(tracks_per_genre):
            extension = _FOREIGN_FORMATS[(index + number) % len(_FOREIGN_FORMATS)][0]
            path = f"{genre}_{number + 1}.{extension}"
            tracks.append(SampleTrack(path=path, genre=genre, artist=_artist_name(genre, number, seed + 1)))
            numbers.append(number)
    _write_all(functools.partial(_write_foreign_track, output_dir, seed), tracks, numbers, n_workers)
    broken = _write_broken(output_dir, tracks_per_genre)
    _write_manifest(output_dir, [*tracks, *broken])
    return [*tracks, *broken]


def _check(output_dir: pathlib.Path, tracks_per_genre: int) -> None:
    if tracks_per_genre < 1:
        raise ParameterError(f"tracks_per_genre is {tracks_per_genre}; wanted at least 1")
    if output_dir.exists() and not output_dir.is_dir():
        raise ParameterError(f"the output {output_dir} is a file; wanted a folder")
    output_dir.mkdir(parents=True, exist_ok=True)


def _rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(key))


def _artist_name(genre: str, number: int, seed: int) -> str:
    position = number // _TRACKS_PER_ARTIST
    offset = list(GENRES).index(genre) * 7 + seed
    first = _FIRST[(position + offset) % len(_FIRST)]
    second = _SECOND[(position // len(_FIRST) + position * 3 + offset) % len(_SECOND)]
    # The genre and the position keep names apart, however many there are.
    return f"{first} {second} ({genre} {position + 1})"


def _write_track(output_dir: pathlib.Path, seed: int, track: SampleTrack, number: int) -> None:
    genre = list(GENRES).index(track.genre)
    artist = invent_artist(track.genre, rng=_rng(seed, genre, number // _TRACKS_PER_ARTIST, 1))
    rng = _rng(seed, genre, number, 2)
    samples = compose_track(artist, duration_s=float(rng.uniform(10, 30)), sample_rate_hz=22050, rng=rng)
    _write_sound(output_dir / track.path, samples, 22050)


def _write_foreign_track(output_dir: pathlib.Path, seed: int, track: SampleTrack, number: int) -> None:
    genre = list(GENRES).index(track.genre)
    rng = _rng(seed, genre, number, 3)
    artist = make_foreign(invent_artist(track.genre, rng=rng), rng=rng)
    _, sample_rate_hz, n_channels = _FOREIGN_FORMATS[(genre + number) % len(_FOREIGN_FORMATS)]
    duration_s = float(rng.uniform(10, 30))
    samples = compose_track(artist, duration_s=duration_s, sample_rate_hz=sample_rate_hz, rng=rng)
    if n_channels == 2:
        delay = round(0.011 * sample_rate_hz)
        samples = np.stack([samples, 0.8 * np.roll(samples, delay)], axis=1)
    _write_sound(output_dir / track.path, samples, sample_rate_hz)


def _write_sound(path: pathlib.Path, samples: np.ndarray, sample_rate_hz: int) -> None:
    """Written beside its place and moved there: a killed run leaves no half clip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    soundfile.write(part, samples, sample_rate_hz)
    part.replace(path)


def _write_all(
    write: Callable[[SampleTrack, int], None],
    tracks: list[SampleTrack],
    numbers: list[int],
    n_workers: int | None,
) -> None:
    if n_workers == 1:
        for track, number in zip(tracks, numbers, strict=True):
            write(track, number)
        return
    # Not forked: the caller may hold threads (Spark's gateway, TensorFlow) that do not survive a fork.
    with (
        children_kept_safe(),
        ProcessPoolExecutor(max_workers=n_workers, mp_context=get_context("spawn")) as pool,
    ):
        for _ in pool.map(write, tracks, numbers, chunksize=4):
            pass


def _write_broken(output_dir: pathlib.Path, tracks_per_genre: int) -> list[SampleTrack]:
    number = tracks_per_genre + 1
    contents = {
        f"jazz_{number}.wav": b"",
        f"pop_{number}.wav": b"This is a shopping list, not a song.\n" * 20,
        # A FLAC marker and the start of its stream header; nothing behind it.
        f"rock_{number}.flac": b"fLaC\x00\x00\x00\x22" + bytes(20),
    }
    for name, content in contents.items():
        (output_dir / name).write_bytes(content)
    return [SampleTrack(path=name, genre=name.split("_")[0], artist="unknown") for name in contents]


def _write_manifest(output_dir: pathlib.Path, tracks: list[SampleTrack]) -> None:
    part = output_dir / ".manifest.part"
    with part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "genre", "artist"])
        writer.writerows([track.path, track.genre, track.artist] for track in tracks)
    part.replace(output_dir / "manifest.csv")
