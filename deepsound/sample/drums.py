"""Drum kits as a handful of numbers, and one stroke on each of their voices as a waveform.

Skins are falling sines, metal and wires are band-limited noise. All values are ours, set by ear.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import signal


@dataclass(frozen=True)
class DrumKit:
    """Pitch, length and brightness of a kit, and how loud its metal is against its skins."""

    kick_hz: float
    kick_decay_s: float
    kick_click: float
    snare_hz: float
    snare_decay_s: float
    snare_wires: float
    hat_low_hz: float
    hat_decay_s: float
    metal: float


# fmt: off
# kick: Hz, decay s, click; snare: Hz, decay s, wires; hat: lowest Hz, decay s; metal
KITS = {
    "acoustic": DrumKit(60, 0.16, 0.15, 190, 0.13, 0.7, 5500, 0.04, 0.3),
    "brushes": DrumKit(65, 0.12, 0.05, 210, 0.18, 0.9, 4500, 0.05, 0.35),
    "disco": DrumKit(62, 0.13, 0.25, 220, 0.15, 0.8, 6500, 0.05, 0.4),
    "machine": DrumKit(46, 0.35, 0.1, 180, 0.16, 0.8, 7500, 0.03, 0.3),
    "heavy": DrumKit(64, 0.11, 0.5, 200, 0.16, 0.75, 5000, 0.07, 0.35),
    "dry": DrumKit(55, 0.14, 0.08, 240, 0.09, 0.55, 6000, 0.03, 0.25),
    # Played only in the foreign collection.
    "boxes": DrumKit(85, 0.09, 0.3, 320, 0.07, 0.35, 3500, 0.08, 0.3),
    "toy": DrumKit(110, 0.08, 0.05, 380, 0.06, 0.6, 3000, 0.02, 0.45),
}
# fmt: on


def vary_kit(kit: DrumKit, *, spread: float, rng: np.random.Generator) -> DrumKit:
    """One drummer's own kit; ``spread`` 0 is the kit itself."""
    factor = np.exp(spread * rng.normal(0.0, 1.0, size=6) * np.array([0.12, 0.25, 0.15, 0.25, 0.2, 0.3]))
    return replace(
        kit,
        kick_hz=kit.kick_hz * factor[0],
        kick_decay_s=kit.kick_decay_s * factor[1],
        snare_hz=kit.snare_hz * factor[2],
        snare_decay_s=kit.snare_decay_s * factor[3],
        hat_low_hz=kit.hat_low_hz * factor[4],
        metal=kit.metal * factor[5],
    )


def render_strokes(kit: DrumKit, *, sample_rate_hz: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One stroke at full velocity on every voice [shape=(n_samples,), float64], six decay times long."""
    # Half the band is the highest that a filter can start at, whatever the kit and the rate.
    hat_hz = min(kit.hat_low_hz, 0.35 * sample_rate_hz)

    def noise(decay_s: float, low_hz: float, high_hz: float | None = None) -> np.ndarray:
        return _noise(decay_s=decay_s, band_hz=(low_hz, high_hz), sample_rate_hz=sample_rate_hz, rng=rng)

    def skin(pitch_hz: float, decay_s: float, fall: float) -> np.ndarray:
        return _skin(pitch_hz=pitch_hz, decay_s=decay_s, fall=fall, sample_rate_hz=sample_rate_hz)

    wires = kit.snare_wires
    return {
        "kick": _sum(skin(kit.kick_hz, kit.kick_decay_s, 1.5), kit.kick_click * noise(0.006, 1500)),
        "snare": _sum((1 - wires) * skin(kit.snare_hz, 0.08, 0.4), wires * noise(kit.snare_decay_s, 900)),
        "rim": _sum(0.5 * skin(kit.snare_hz * 4, 0.02, 0.1), 0.4 * noise(0.012, 2000)),
        "clap": noise(kit.snare_decay_s * 0.8, 800, min(3500, 0.4 * sample_rate_hz)),
        "hat": kit.metal * noise(kit.hat_decay_s, hat_hz),
        "open_hat": kit.metal * noise(0.22, hat_hz),
        "ride": kit.metal * _sum(noise(0.35, hat_hz * 0.8), 0.15 * skin(hat_hz * 0.6, 0.3, 0.0)),
        "shaker": 0.6 * kit.metal * noise(0.035, min(hat_hz * 0.9, 6000)),
    }


def _skin(*, pitch_hz: float, decay_s: float, fall: float, sample_rate_hz: int) -> np.ndarray:
    """A sine that starts ``1 + fall`` times as high and reaches ``pitch_hz`` within some 30 ms."""
    time_s = np.arange(round(6 * decay_s * sample_rate_hz)) / sample_rate_hz
    cycles = pitch_hz * (time_s + fall * 0.03 * (1 - np.exp(-time_s / 0.03)))
    return np.asarray(np.sin(2 * math.pi * cycles) * np.exp(-time_s / decay_s))


def _noise(
    *, decay_s: float, band_hz: tuple[float, float | None], sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    n_samples = round(6 * decay_s * sample_rate_hz)
    low_hz, high_hz = band_hz
    if high_hz is None:
        sections = signal.butter(2, low_hz, "highpass", fs=sample_rate_hz, output="sos")
    else:
        sections = signal.butter(2, (low_hz, high_hz), "bandpass", fs=sample_rate_hz, output="sos")
    noise = signal.sosfilt(sections, rng.standard_normal(n_samples))
    return np.asarray(noise * np.exp(-np.arange(n_samples) / (decay_s * sample_rate_hz)))


def _sum(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    longer, shorter = (first, second) if len(first) >= len(second) else (second, first)
    total = longer.copy()
    total[: len(shorter)] += shorter
    return total
