"""Pitched instruments as a handful of numbers, and one note of one instrument as a waveform.

A note is read from two single-cycle tables, a bright and a dark one, and fades from the first to the second:
the partials of a string or a reed die the sooner the higher they are. All values are ours, set by ear and by
the difficulty that the collection should have; no recording was used.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

_TABLE_SAMPLES = 2048
_MAX_PARTIALS = 48
# Above this share of the sample rate a partial is left out: linear table reading would alias it.
_HIGHEST_PARTIAL = 0.45
# A formant lets through a band of about this width, and this much outside of any.
_FORMANT_WIDTH_HZ = 250.0
_FORMANT_FLOOR = 0.12
_VIBRATO_HZ = 5.5


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """Timbre and envelope of one instrument.

    ``rolloff_db`` is the fall of the partials per octave, ``darkening_db`` what the fall gains until the note
    has decayed; ``even_gain`` scales the even partials (0 is a clarinet); ``noise`` is breath, bow or pick.
    """

    rolloff_db: float
    darkening_db: float = 3.0
    even_gain: float = 1.0
    attack_s: float = 0.01
    decay_s: float = 0.6
    sustain: float = 0.3
    release_s: float = 0.08
    vibrato_cents: float = 0.0
    detune_cents: float = 0.0
    noise: float = 0.01
    formants_hz: tuple[float, ...] = ()


# fmt: off
INSTRUMENTS = {
    "piano": Instrument(rolloff_db=8, darkening_db=6, decay_s=0.9, sustain=0.05, release_s=0.15, attack_s=0.004),
    "electric_piano": Instrument(rolloff_db=11, darkening_db=5, decay_s=1.2, sustain=0.1, release_s=0.12),
    "organ": Instrument(rolloff_db=7, darkening_db=0, sustain=0.95, even_gain=0.8, vibrato_cents=8),
    "acoustic_guitar": Instrument(
        rolloff_db=6, darkening_db=7, decay_s=0.5, sustain=0.03, noise=0.05, attack_s=0.003,
    ),
    "electric_guitar": Instrument(
        rolloff_db=6, darkening_db=4, decay_s=0.8, sustain=0.2, noise=0.02, attack_s=0.004,
    ),
    "distorted_guitar": Instrument(
        rolloff_db=3, darkening_db=1, decay_s=2.0, sustain=0.6, noise=0.04, detune_cents=6,
    ),
    "strings": Instrument(
        rolloff_db=6, darkening_db=0, attack_s=0.09, sustain=0.9, release_s=0.2, detune_cents=9, vibrato_cents=14,
        noise=0.03,
    ),
    "fiddle": Instrument(rolloff_db=4.5, darkening_db=0, attack_s=0.04, sustain=0.9, vibrato_cents=18, noise=0.04),
    "brass": Instrument(rolloff_db=5, darkening_db=2, attack_s=0.03, sustain=0.8, vibrato_cents=6, noise=0.02),
    "saxophone": Instrument(
        rolloff_db=5, darkening_db=1, attack_s=0.03, sustain=0.85, vibrato_cents=15, noise=0.06,
        formants_hz=(700, 1500, 2800),
    ),
    "flute": Instrument(rolloff_db=13, darkening_db=0, attack_s=0.06, sustain=0.9, vibrato_cents=12, noise=0.06),
    "harmonica": Instrument(
        rolloff_db=4, darkening_db=0, attack_s=0.03, sustain=0.9, vibrato_cents=20, noise=0.03,
        formants_hz=(900, 2200),
    ),
    "voice": Instrument(
        rolloff_db=6, darkening_db=0, attack_s=0.05, sustain=0.9, vibrato_cents=25, noise=0.05,
        formants_hz=(600, 1200, 2700),
    ),
    "rap": Instrument(
        rolloff_db=5, darkening_db=1, attack_s=0.015, decay_s=0.15, sustain=0.4, noise=0.15,
        formants_hz=(550, 1400, 2600),
    ),
    "synth_pad": Instrument(
        rolloff_db=9, darkening_db=1, attack_s=0.15, sustain=0.9, release_s=0.4, detune_cents=12,
    ),
    "synth_lead": Instrument(
        rolloff_db=5, darkening_db=3, attack_s=0.005, sustain=0.6, detune_cents=8, even_gain=0.6,
    ),
    "upright_bass": Instrument(
        rolloff_db=11, darkening_db=6, decay_s=0.5, sustain=0.08, noise=0.03, attack_s=0.008,
    ),
    "electric_bass": Instrument(
        rolloff_db=8, darkening_db=5, decay_s=0.8, sustain=0.3, noise=0.01, attack_s=0.005,
    ),
    "synth_bass": Instrument(
        rolloff_db=10, darkening_db=4, decay_s=0.6, sustain=0.5, attack_s=0.003, even_gain=0.7,
    ),
    "cello": Instrument(rolloff_db=7, darkening_db=0, attack_s=0.08, sustain=0.9, vibrato_cents=12, noise=0.03),
    # Played only in the foreign collection.
    "harpsichord": Instrument(rolloff_db=3, darkening_db=4, decay_s=0.4, sustain=0.02, attack_s=0.002, noise=0.03),
    "accordion": Instrument(
        rolloff_db=4, darkening_db=0, attack_s=0.05, sustain=0.95, detune_cents=16, noise=0.02,
    ),
    "marimba": Instrument(rolloff_db=14, darkening_db=8, decay_s=0.25, sustain=0.0, attack_s=0.002, even_gain=0.2),
    "chip": Instrument(rolloff_db=5, darkening_db=0, attack_s=0.002, sustain=0.8, even_gain=0.0),
    "bell": Instrument(rolloff_db=5, darkening_db=9, decay_s=1.2, sustain=0.0, even_gain=0.3, attack_s=0.002),
    "kazoo": Instrument(
        rolloff_db=2, darkening_db=0, attack_s=0.03, sustain=0.9, noise=0.1, formants_hz=(1000, 2500),
    ),
    "tuba": Instrument(rolloff_db=9, darkening_db=1, attack_s=0.04, sustain=0.8, noise=0.02),
    "fretless_bass": Instrument(rolloff_db=9, darkening_db=2, attack_s=0.02, sustain=0.6, vibrato_cents=15),
}
# fmt: on


def vary_instrument(instrument: Instrument, *, spread: float, rng: np.random.Generator) -> Instrument:
    """One player's own version of an instrument; ``spread`` 0 is the instrument itself."""
    factor = np.exp(spread * rng.normal(0.0, 0.35, size=6))
    return replace(
        instrument,
        rolloff_db=max(1.0, instrument.rolloff_db + spread * rng.normal(0.0, 1.6)),
        darkening_db=instrument.darkening_db * factor[0],
        attack_s=instrument.attack_s * factor[1],
        decay_s=instrument.decay_s * factor[2],
        sustain=min(1.0, instrument.sustain * factor[3]),
        noise=instrument.noise * factor[4],
        detune_cents=instrument.detune_cents * factor[5],
        formants_hz=tuple(hz * math.exp(spread * rng.normal(0.0, 0.12)) for hz in instrument.formants_hz),
    )


def render_note(
    instrument: Instrument, *, midi: int, duration_s: float, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """One note at full velocity; ``midi`` 69 is 440 Hz, ``duration_s`` ends where the release starts.

    Returns
    -------
    np.ndarray [shape=(n_samples,), float64]
        ``n_samples = round((duration_s + release_s) * sample_rate_hz)``; RMS about 1 while fully sounding.
    """
    n_samples = round((duration_s + instrument.release_s) * sample_rate_hz)
    time_s = np.arange(n_samples) / sample_rate_hz
    pitch_hz = 440.0 * 2.0 ** ((midi - 69) / 12)
    bright, dark = _tables(instrument, pitch_hz=pitch_hz, sample_rate_hz=sample_rate_hz)
    brightness = np.exp(-time_s / instrument.decay_s)
    note = np.zeros(n_samples)
    cents = (-instrument.detune_cents, instrument.detune_cents) if instrument.detune_cents else (0.0,)
    for offset_cents in cents:
        phase = _phase(
            time_s, pitch_hz=pitch_hz * 2 ** (offset_cents / 1200), vibrato_cents=instrument.vibrato_cents
        )
        index = phase.astype(np.int64)
        share = phase - index
        index &= _TABLE_SAMPLES - 1
        table = dark[index] + brightness * (bright[index] - dark[index])
        following = dark[index + 1] + brightness * (bright[index + 1] - dark[index + 1])
        note += table + share * (following - table)
    note /= math.sqrt(len(cents))
    note += instrument.noise * rng.standard_normal(n_samples)
    return np.asarray(note * _envelope(instrument, time_s=time_s, duration_s=duration_s))


def _phase(time_s: np.ndarray, *, pitch_hz: float, vibrato_cents: float) -> np.ndarray:
    """Position in the table, in table samples, growing from 0."""
    phase = time_s * (pitch_hz * _TABLE_SAMPLES)
    if vibrato_cents:
        # The integral of the frequency deviation; it starts at 0 and never drives the phase below 0.
        depth = pitch_hz * _TABLE_SAMPLES * vibrato_cents * math.log(2) / 1200 / (2 * math.pi * _VIBRATO_HZ)
        phase = phase + depth * (1.0 - np.cos(2 * math.pi * _VIBRATO_HZ * time_s))
    return phase


def _envelope(instrument: Instrument, *, time_s: np.ndarray, duration_s: float) -> np.ndarray:
    attack = np.minimum(1.0, time_s / instrument.attack_s)
    decay = instrument.sustain + (1.0 - instrument.sustain) * np.exp(-time_s / instrument.decay_s)
    release = np.clip(1.0 - (time_s - duration_s) / instrument.release_s, 0.0, 1.0)
    return np.asarray(attack * decay * release)


def _tables(instrument: Instrument, *, pitch_hz: float, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Single cycles at the start and at the end of a note, RMS 1, first sample repeated behind the last."""
    n_partials = max(1, min(_MAX_PARTIALS, int(_HIGHEST_PARTIAL * sample_rate_hz / pitch_hz)))
    number = np.arange(1, n_partials + 1)
    amplitude = number ** (-instrument.rolloff_db / 6.02)
    amplitude[1::2] *= instrument.even_gain
    if instrument.formants_hz:
        distance = (number[:, None] * pitch_hz - np.array(instrument.formants_hz)) / _FORMANT_WIDTH_HZ
        amplitude *= _FORMANT_FLOOR + np.exp(-0.5 * distance**2).sum(axis=1)
    bright = _cycle(amplitude)
    return bright, _cycle(amplitude * number ** (-instrument.darkening_db / 6.02))


def _cycle(amplitude: np.ndarray) -> np.ndarray:
    spectrum = np.zeros(_TABLE_SAMPLES // 2 + 1, dtype=np.complex128)
    # Alternating quadratic phases keep the crest low: all partials in phase would make every note a click.
    number = np.arange(1, len(amplitude) + 1)
    spectrum[1 : len(amplitude) + 1] = amplitude * np.exp(-1j * math.pi * number**2 / len(amplitude))
    cycle = np.fft.irfft(spectrum, n=_TABLE_SAMPLES)
    cycle /= math.sqrt(float(np.mean(cycle**2)))
    return np.append(cycle, cycle[0])
