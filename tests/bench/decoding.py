"""CPU time of features from a file on, its decoding included; clips of 30 s, made here."""

import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator

import librosa
import numpy as np
import soundfile

from deepsound.config import ExtractSettings
from deepsound.features.registry import find_features, load_extractors
from deepsound.features.track import extract_track
from deepsound.networks.prepare import prepare_networks
from tests.bench.measure import BenchLine, measure_alternately

_CLIP_S = 30
# Name to container, codec and rate; all stereo.
_CLIPS = {
    "mp3": ("MP3", "MPEG_LAYER_III", 44100),
    "wav": ("WAV", "PCM_16", 44100),
    "vorbis": ("OGG", "VORBIS", 44100),
    "opus": ("OGG", "OPUS", 48000),
}
_WRITTEN_AT_ONCE = 4096


def run() -> Iterator[BenchLine]:
    """Audio hours a core-hour, MP3 to MFCC beside librosa, and the containers beside real time."""
    with tempfile.TemporaryDirectory(prefix="deepsound-bench-") as scratch:
        os.environ["DEEPSOUND_CACHE_DIR"] = scratch
        clips = {name: _write_clip(pathlib.Path(scratch) / name, *kind) for name, kind in _CLIPS.items()}
        yield from _measure_features(clips["mp3"])
        yield from _measure_beside_librosa(clips["mp3"])
        yield from _measure_containers(clips)


def _measure_features(mp3: pathlib.Path) -> Iterator[BenchLine]:
    for feature in ("mfcc", "musicnn", "vggish"):
        (seconds,) = measure_alternately(
            _extraction(mp3, feature), n_rounds=3, n_in_a_row=3, clock=time.process_time
        )
        weights = " of random weights" if feature == "vggish" else ""
        yield BenchLine(
            name=f"MP3 to {feature}{weights}, audio hours a core-hour",
            figure=f"{_CLIP_S / seconds:.0f} ({1000 * seconds:.0f} ms a clip of {_CLIP_S} s)",
        )


def _measure_beside_librosa(mp3: pathlib.Path) -> Iterator[BenchLine]:
    def by_librosa() -> None:
        waveform, sample_rate_hz = librosa.load(mp3)
        librosa.feature.mfcc(y=waveform, sr=sample_rate_hz, n_mfcc=13)

    runs = (_extraction(mp3, "mfcc"), by_librosa)
    for run in runs:
        run()  # librosa loads its parts on first use
    ours_s, theirs_s = measure_alternately(*runs, n_rounds=5, n_in_a_row=3, clock=time.process_time)
    ratio = theirs_s / ours_s
    yield BenchLine(
        name="MP3 to MFCC, beside librosa.load and librosa.feature.mfcc",
        figure=f"ours {1000 * ours_s:.0f} ms, librosa {1000 * theirs_s:.0f} ms: {ratio:.2f} x",
        target=">= 1.7 x",
        is_met=ratio >= 1.7,
    )


def _measure_containers(clips: dict[str, pathlib.Path]) -> Iterator[BenchLine]:
    for name in ("wav", "vorbis", "opus"):
        (seconds,) = measure_alternately(
            _extraction(clips[name], "mfcc"), n_rounds=4, n_in_a_row=3, clock=time.process_time
        )
        yield BenchLine(
            name=f"{name} to MFCC, times real time",
            figure=f"{_CLIP_S / seconds:.0f} x ({1000 * seconds:.0f} ms)",
            target=">= 400 x",
            is_met=_CLIP_S / seconds >= 400,
        )


def _extraction(path: pathlib.Path, feature: str) -> Callable[[], None]:
    settings = ExtractSettings(features=(feature,), network="random:0")
    networks = prepare_networks(settings.features, network=settings.network, report=lambda _: None)
    extractors = load_extractors(find_features(settings.features), networks=networks)

    def extract() -> None:
        with path.open("rb") as file:
            outcome = extract_track(file, extractors=extractors, settings=settings)
        if outcome.failure:
            raise RuntimeError(f"{path.name}: {outcome.failure}")

    return extract


def _write_clip(path: pathlib.Path, container: str, codec: str, sample_rate_hz: int) -> pathlib.Path:
    """Two gliding tones and noise, which no codec finds easy."""
    rng = np.random.default_rng(0)
    time_s = np.arange(_CLIP_S * sample_rate_hz) / sample_rate_hz
    tones = [0.3 * np.sin(2 * np.pi * hz * time_s + 3 * np.sin(np.pi * time_s)) for hz in (220, 270)]
    samples = (np.stack(tones, axis=1) + rng.normal(0, 0.05, (len(time_s), 2))).astype(np.float32)
    with soundfile.SoundFile(path, "w", sample_rate_hz, 2, codec, format=container) as sound:
        # libsndfile's Vorbis encoder does not survive much more at once.
        for first in range(0, len(samples), _WRITTEN_AT_ONCE):
            sound.write(samples[first : first + _WRITTEN_AT_ONCE])
    return path
