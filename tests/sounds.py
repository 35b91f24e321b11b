"""Tones in any container and codec, in memory."""

import io

import av
import numpy as np
import soundfile

SECONDS = 3.0


def make_tone(sample_rate_hz, n_channels):
    """(n_channels, n_samples): 440 Hz, each channel quieter than the one before, so that a lost one shows."""
    time_s = np.arange(round(SECONDS * sample_rate_hz)) / sample_rate_hz
    return np.stack([0.5 / (i + 1) * np.sin(2 * np.pi * 440 * time_s) for i in range(n_channels)]).astype(
        np.float32
    )


def encode(container, codec, sample_rate_hz=44100, layout="stereo"):
    n_channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    tone = make_tone(sample_rate_hz, n_channels)
    output = io.BytesIO()
    with av.open(output, "w", format=container) as opened:
        stream = opened.add_stream(codec, rate=sample_rate_hz, layout=layout)
        stream.bit_rate = 128_000
        for start in range(0, tone.shape[1], 1024):
            block = np.ascontiguousarray(tone[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = sample_rate_hz, start
            opened.mux(stream.encode(frame))
        opened.mux(stream.encode(None))
    return output.getvalue()


def write_pcm(container, subtype, sample_rate_hz, n_channels):
    output = io.BytesIO()
    soundfile.write(output, make_tone(sample_rate_hz, n_channels).T, sample_rate_hz, subtype, format=container)
    return output.getvalue()
