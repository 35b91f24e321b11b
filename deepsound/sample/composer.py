"""One clip of one invented artist: notes and strokes placed on a grid, mixed, and put into a room."""

import functools
from dataclasses import dataclass, replace

import numpy as np
from scipy import signal

from deepsound.sample.drums import KITS, DrumKit, render_strokes, vary_kit
from deepsound.sample.genres import (
    CHORDS,
    FOREIGN_BASSES,
    FOREIGN_CHORDS,
    FOREIGN_KITS,
    FOREIGN_LEADS,
    GENRES,
    Genre,
)
from deepsound.sample.instruments import INSTRUMENTS, Instrument, render_note, vary_instrument

_STEPS_PER_BAR = 16
_VELOCITY = {"x": 1.0, "o": 0.5}
_SCALE = (0, 2, 3, 5, 7, 9, 10)
_BASS_MIDI, _CHORD_MIDI, _LEAD_MIDI = 33, 55, 67


@dataclass(frozen=True, kw_only=True)
class Artist:
    """An invented artist: a genre, bent to taste. ``tilt`` is bright above 0, ``room`` the share of reverb."""

    genre: Genre
    key: int
    kit: DrumKit
    bass: Instrument
    chords: Instrument
    lead: Instrument
    gains: tuple[float, ...]
    tilt: float
    room: float
    room_s: float
    noise: float


def invent_artist(genre: str, *, rng: np.random.Generator, spread: float = 1.0) -> Artist:
    """An artist of the genre; ``spread`` scales how far artists differ."""
    style = GENRES[genre]
    low, high = style.tempo_bpm
    middle = rng.uniform(low, high)

    def pick(names: tuple[str, ...]) -> Instrument:
        return vary_instrument(INSTRUMENTS[names[rng.integers(len(names))]], spread=spread, rng=rng)

    return Artist(
        genre=replace(style, tempo_bpm=(max(low, middle * 0.95), min(high, middle * 1.05))),
        key=int(rng.integers(12)),
        kit=vary_kit(KITS[style.kit], spread=spread, rng=rng),
        bass=pick((style.bass,)),
        chords=pick(style.chords),
        lead=pick(style.lead),
        gains=tuple(gain * np.exp(spread * rng.normal(0, 0.35)) for gain in style.gains),
        tilt=float(spread * rng.normal(0, 0.35)),
        room=float(rng.uniform(0.05, 0.3)),
        room_s=float(rng.uniform(0.15, 0.7)),
        noise=0.0,
    )


def make_foreign(artist: Artist, *, rng: np.random.Generator) -> Artist:
    """The same music somewhere else: other instruments, tempo, room and a noisy line."""

    def pick(names: tuple[str, ...]) -> Instrument:
        return INSTRUMENTS[names[rng.integers(len(names))]]

    low, high = artist.genre.tempo_bpm
    factor = rng.choice([0.82, 0.9, 1.1, 1.2])
    return replace(
        artist,
        genre=replace(artist.genre, tempo_bpm=(low * factor, high * factor)),
        kit=KITS[FOREIGN_KITS[rng.integers(len(FOREIGN_KITS))]],
        bass=pick(FOREIGN_BASSES),
        chords=pick(FOREIGN_CHORDS) if rng.random() < 0.6 else artist.chords,
        lead=pick(FOREIGN_LEADS) if rng.random() < 0.6 else artist.lead,
        tilt=artist.tilt + float(rng.normal(0, 0.4)),
        room=float(rng.uniform(0.2, 0.6)),
        room_s=float(rng.uniform(0.4, 1.2)),
        noise=float(10 ** rng.uniform(-3.2, -1.8)),
    )


def compose_track(
    artist: Artist, *, duration_s: float, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """One clip.

    Returns
    -------
    np.ndarray [shape=(round(duration_s * sample_rate_hz),), float32, peak <= 0.99]
    """
    genre = artist.genre
    step_s = 60 / rng.uniform(*genre.tempo_bpm) / 4
    n_samples = round(duration_s * sample_rate_hz)
    n_bars = int(np.ceil(duration_s / (step_s * _STEPS_PER_BAR)))
    mixer = _Mixer(n_samples=n_samples, sample_rate_hz=sample_rate_hz, step_s=step_s, swing=genre.swing, rng=rng)
    strokes = render_strokes(artist.kit, sample_rate_hz=sample_rate_hz, rng=rng)
    progression = genre.progressions[rng.integers(len(genre.progressions))]
    for bar in range(n_bars):
        root, quality = progression[bar % len(progression)]
        for voice, pattern in genre.drums.items():
            mixer.play_pattern(bar, pattern, lambda _, voice=voice: strokes[voice], artist.gains[0])
        _play_harmony(mixer, bar, artist, root + artist.key, CHORDS[quality])
        _play_lead(mixer, bar, artist, rng)
    return _finish(mixer.mix, artist, sample_rate_hz=sample_rate_hz, rng=rng)


def _play_harmony(mixer: "_Mixer", bar: int, artist: Artist, root: int, intervals: tuple[int, ...]) -> None:
    genre = artist.genre
    bass_midi = _BASS_MIDI + root % 12
    mixer.play_pattern(
        bar, genre.bass_pattern, lambda steps: mixer.note(artist.bass, bass_midi, steps), artist.gains[1]
    )
    for interval in intervals:
        midi = _CHORD_MIDI + (root + interval) % 12
        mixer.play_pattern(
            bar,
            genre.chord_pattern,
            lambda steps, midi=midi: mixer.note(artist.chords, midi, steps),
            artist.gains[2] / len(intervals),
        )


def _play_lead(mixer: "_Mixer", bar: int, artist: Artist, rng: np.random.Generator) -> None:
    plays = rng.random(_STEPS_PER_BAR // 2) < artist.genre.lead_density
    pattern = "".join("x." if play else ".." for play in plays)
    degrees = rng.choice(_SCALE, size=_STEPS_PER_BAR)
    for step in np.flatnonzero([mark == "x" for mark in pattern]):
        following = pattern.find("x", step + 1)
        steps = (following if following > 0 else _STEPS_PER_BAR) - int(step)
        note = mixer.note(artist.lead, _LEAD_MIDI + artist.key + int(degrees[step]), min(steps, 4))
        mixer.play(bar, int(step), note, 0.5 * artist.gains[3])


class _Mixer:
    """Adds sounds to a clip at the steps of a grid."""

    def __init__(
        self, *, n_samples: int, sample_rate_hz: int, step_s: float, swing: float, rng: np.random.Generator
    ) -> None:
        self.mix = np.zeros(n_samples)
        self._sample_rate_hz = sample_rate_hz
        self._step_s = step_s
        self._swing = swing
        self._rng = rng
        self._notes: dict[tuple[Instrument, int, int], np.ndarray] = {}

    def note(self, instrument: Instrument, midi: int, steps: int) -> np.ndarray:
        """A note of so many steps; rendered once per clip."""
        key = (instrument, midi, steps)
        if key not in self._notes:
            self._notes[key] = 0.35 * render_note(
                instrument,
                midi=midi,
                duration_s=0.9 * steps * self._step_s,
                sample_rate_hz=self._sample_rate_hz,
                rng=self._rng,
            )
        return self._notes[key]

    def play(self, bar: int, step: int, sound: np.ndarray, gain: float) -> None:
        """One sound at a step of a bar; what lies beyond the clip's end is cut."""
        late = self._swing * 2 * self._step_s if step % 4 == 2 else 0.0
        human_s = self._rng.normal(0, 0.004)
        start_s = (bar * _STEPS_PER_BAR + step) * self._step_s + late + human_s
        first = max(0, round(start_s * self._sample_rate_hz))
        room = len(self.mix) - first
        if room > 0:
            kept = sound[:room]
            self.mix[first : first + len(kept)] += gain * self._rng.uniform(0.8, 1.0) * kept

    def play_pattern(self, bar: int, pattern: str, sound, gain: float) -> None:  # type: ignore[no-untyped-def]
        """A bar of a pattern; ``sound(steps)`` gives the sound that lasts until the next stroke."""
        hits = [step for step, mark in enumerate(pattern) if mark != "."]
        for step, following in zip(hits, [*hits[1:], _STEPS_PER_BAR], strict=True):
            self.play(bar, step, sound(following - step), gain * _VELOCITY[pattern[step]])


def _finish(mix: np.ndarray, artist: Artist, *, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Tone, room, line noise and loudness."""
    dull = signal.lfilter([0.15], [1, -0.85], mix)
    tilted = dull * (1 - artist.tilt) + (mix - dull) * (1 + artist.tilt)
    decay = _room_response(artist.room_s, sample_rate_hz)
    wet = signal.oaconvolve(tilted, decay)[: len(mix)]
    sound = (1 - artist.room) * tilted + artist.room * wet
    sound /= np.sqrt(np.mean(sound**2)) + 1e-12
    sound = np.tanh(0.35 * sound) / 0.35  # a soft limiter: loud genres stay below full scale
    sound += artist.noise * rng.standard_normal(len(sound)) * 4
    loud = rng.uniform(*artist.genre.loudness_rms) * sound
    return np.asarray(loud * min(1.0, 0.99 / np.abs(loud).max()), np.float32)


@functools.lru_cache(maxsize=32)
def _room_response(room_s: float, sample_rate_hz: int) -> np.ndarray:
    """Exponentially decaying noise of unit energy."""
    n_samples = round(1.5 * room_s * sample_rate_hz)
    noise = np.random.default_rng(7).standard_normal(n_samples)
    response = noise * np.exp(-np.arange(n_samples) * 4 / n_samples)
    return np.asarray(response / np.sqrt(np.sum(response**2)))
