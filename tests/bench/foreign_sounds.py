"""Sounds that are no pop music, to try out-of-distribution scores on; written into one folder a kind.

``python -m tests.bench.foreign_sounds OUTPUT [SOUNDFONT]``. Solo instruments are played by fluidsynth from a
General MIDI sound font, speech is spoken by espeak-ng (Debian: fluidsynth, fluid-soundfont-gm, espeak-ng); noise
needs neither.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import scipy.signal
import soundfile

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_SOUNDFONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
_DURATION_S = 30.0
_RATE_HZ = 22050
_N_CLIPS = 20
# General MIDI programs (from 0), lowest and highest note, and how many notes sound at a time.
_SOLOISTS = {
    "solo_piano": (0, 45, 84, 3),
    "solo_guitar": (24, 45, 76, 2),
    "solo_violin": (40, 57, 93, 1),
    "solo_flute": (73, 62, 93, 1),
}
_VOICES = ("en-us", "en-gb", "de", "fr-fr", "es", "it", "nl", "pl", "pt", "sv")
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9))
_TICKS_A_BEAT = 480


def write_noise(folder: pathlib.Path) -> None:
    """White to brown noise, some of it through a filter."""
    for number in range(_N_CLIPS):
        rng = np.random.default_rng([1, number])
        samples = _coloured_noise(rng, exponent=float(rng.uniform(0, 2)))
        if number % 2:
            low_hz, octaves = float(rng.uniform(60, 1500)), float(rng.uniform(1, 3))
            high_hz = min(low_hz * 2**octaves, 0.45 * _RATE_HZ)
            band = scipy.signal.butter(2, [low_hz, high_hz], "bandpass", fs=_RATE_HZ, output="sos")
            samples = scipy.signal.sosfilt(band, samples)
        _write(folder / f"{number:02d}.wav", samples, peak=0.5)


def write_near_silence(folder: pathlib.Path) -> None:
    """What an open line records: hiss 60 to 80 dB below full scale, mains hum, now and then a click."""
    for number in range(_N_CLIPS):
        rng = np.random.default_rng([2, number])
        time_s = np.arange(round(_DURATION_S * _RATE_HZ)) / _RATE_HZ
        samples = _coloured_noise(rng, exponent=float(rng.uniform(0, 1)))
        hum_hz = float(rng.choice([50.0, 60.0]))
        for harmonic in (1, 2, 3, 5):
            samples += float(rng.uniform(0, 1)) / harmonic * np.sin(2 * np.pi * hum_hz * harmonic * time_s)
        clicks = rng.integers(0, len(samples), size=int(rng.integers(0, 4)))
        samples[clicks] += rng.uniform(-4, 4, size=len(clicks))
        _write(folder / f"{number:02d}.wav", samples, peak=10 ** float(rng.uniform(-80, -60) / 20))


def write_speech(folder: pathlib.Path) -> None:
    """The README read aloud, in voices of ten languages, two clips each."""
    words = (_ROOT / "README.md").read_text(encoding="utf-8").replace("`", " ").replace("|", " ").split()
    for number in range(_N_CLIPS):
        start = number * 80 % max(len(words) - 200, 1)
        voice = f"{_VOICES[number % len(_VOICES)]}+{'fm'[number // len(_VOICES)]}{1 + number % 3}"
        command = ["espeak-ng", "-v", voice, "-s", str(130 + 4 * number), "-w", str(folder / f"{number:02d}.wav")]
        subprocess.run([*command, " ".join(words[start : start + 200])], check=True)
        samples, rate_hz = soundfile.read(folder / f"{number:02d}.wav")
        soundfile.write(folder / f"{number:02d}.wav", samples[: round(_DURATION_S * rate_hz)], rate_hz)


def write_soloist(folder: pathlib.Path, *, soundfont: str) -> None:
    """One instrument alone: a random walk over a scale, in phrases, with or without a second and third voice."""
    program, lowest, highest, n_voices = _SOLOISTS[folder.name]
    for number in range(_N_CLIPS):
        rng = np.random.default_rng([3, program, number])
        with tempfile.TemporaryDirectory() as scratch:
            score = pathlib.Path(scratch) / "score.mid"
            score.write_bytes(_compose(rng, program=program, lowest=lowest, highest=highest, n_voices=n_voices))
            played = pathlib.Path(scratch) / "played.wav"
            command = ["fluidsynth", "-ni", "-q", "-F", str(played), "-r", str(_RATE_HZ), soundfont, str(score)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            samples, rate_hz = soundfile.read(played)
            soundfile.write(folder / f"{number:02d}.wav", samples[: round(_DURATION_S * rate_hz)], rate_hz)


def _compose(rng: np.random.Generator, *, program: int, lowest: int, highest: int, n_voices: int) -> bytes:
    """A Standard MIDI File of format 0."""
    beat_us = int(rng.integers(400_000, 1_000_000))
    scale = np.array(_SCALES[int(rng.integers(len(_SCALES)))]) + int(rng.integers(12))
    notes = np.array([note for note in range(lowest, highest + 1) if (note - scale[0]) % 12 in (scale - scale[0])])
    body = b"\x00\xff\x51\x03" + beat_us.to_bytes(3, "big") + bytes([0, 0xC0, program])
    place, ticks = len(notes) // 2, 0
    while ticks * beat_us / _TICKS_A_BEAT < _DURATION_S * 1e6:
        length = int(_TICKS_A_BEAT * rng.choice([0.25, 0.5, 0.5, 1, 1, 2]))
        place = int(np.clip(place + rng.integers(-3, 4), 0, len(notes) - 1))
        chord = sorted({int(notes[max(place - 2 * voice, 0)]) for voice in range(int(rng.integers(n_voices)) + 1)})
        loudness = int(rng.integers(50, 110))
        body += b"".join(bytes([0, 0x90, note, loudness]) for note in chord)
        ends = [_variable_length(length), *[b"\x00"] * (len(chord) - 1)]
        body += b"".join(end + bytes([0x80, note, 0]) for end, note in zip(ends, chord, strict=True))
        ticks += length
    body += b"\x00\xff\x2f\x00"
    header = b"MThd" + (6).to_bytes(4, "big") + bytes([0, 0, 0, 1]) + _TICKS_A_BEAT.to_bytes(2, "big")
    return header + b"MTrk" + len(body).to_bytes(4, "big") + body


def _variable_length(value: int) -> bytes:
    """MIDI's numbers: seven bits a byte, the highest first, the eighth bit set on all but the last."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.insert(0, 0x80 | (value & 0x7F))
    return bytes(digits)


def _coloured_noise(rng: np.random.Generator, *, exponent: float) -> np.ndarray:
    """Noise whose power falls as frequency to the minus ``exponent``; RMS 1."""
    n_samples = round(_DURATION_S * _RATE_HZ)
    spectrum = np.fft.rfft(rng.normal(size=n_samples))
    frequency_hz = np.maximum(np.fft.rfftfreq(n_samples, 1 / _RATE_HZ), 20.0)
    samples = np.fft.irfft(spectrum * frequency_hz ** (-exponent / 2), n_samples)
    return samples / samples.std()


def _write(path: pathlib.Path, samples: np.ndarray, *, peak: float) -> None:
    soundfile.write(path, samples / np.abs(samples).max() * peak, _RATE_HZ, subtype="PCM_24")


def main(arguments: list[str]) -> int:
    """Write every kind whose player is installed."""
    if not 1 <= len(arguments) <= 2:
        print(__doc__, file=sys.stderr)
        return 2
    root, soundfont = pathlib.Path(arguments[0]), (arguments[1:] or [_SOUNDFONT])[0]
    writers = {"noise": write_noise, "near_silence": write_near_silence}
    if shutil.which("espeak-ng"):
        writers["speech"] = write_speech
    if shutil.which("fluidsynth") and pathlib.Path(soundfont).is_file():
        writers |= {name: lambda folder: write_soloist(folder, soundfont=soundfont) for name in _SOLOISTS}
    for kind, write in writers.items():
        (root / kind).mkdir(parents=True)
        write(root / kind)
        print(f"{root / kind}: {_N_CLIPS} clips")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
