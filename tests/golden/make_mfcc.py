"""Make mfcc.npz with librosa, the independent implementation. Run by hand: python tests/golden/make_mfcc.py."""

import pathlib

import librosa
import numpy as np


def waveforms() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(20)
    time_s = np.arange(11025) / 22050
    clicks = np.zeros(11025)
    clicks[::1500] = 1
    return {
        "sine": 0.5 * np.sin(2 * np.pi * 440 * time_s),
        "noise": 0.1 * rng.normal(size=11025),
        "chirp": 0.7 * np.sin(2 * np.pi * (100 * time_s + 8000 * time_s**2)),
        "quiet": 1e-4 * rng.normal(size=11025),
        "clicks": clicks,
    }


if __name__ == "__main__":
    arrays = {}
    for name, waveform in waveforms().items():
        y = waveform.astype(np.float32)
        arrays[f"{name}__waveform"] = y
        arrays[f"{name}__mfcc"] = librosa.feature.mfcc(y=y, sr=22050, n_mfcc=13).T.astype(np.float32)
    np.savez_compressed(pathlib.Path(__file__).parent / "mfcc.npz", **arrays)
    print("librosa", librosa.__version__)
