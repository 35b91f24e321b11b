"""A sound as it is decoded: its format, then its samples in blocks.

Convention: a waveform is mono float32, the mean of its channels, full scale = 1.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

# 12 s at 22.05 kHz. All blocks of a waveform but the last have this length, whatever the decoder's own pieces are.
BLOCK_SAMPLES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class AudioFormat:
    """What a file is: the rate and the channels it has, its container by content (``wav``, ``mp3``, ``mp4``)."""

    sample_rate_hz: int
    n_channels: int
    container: str


@dataclass(kw_only=True)
class Downmix:
    """Mixes channels down to their mean, and remembers the largest sample of any of them; full scale = 1.

    Channels of opposite sign cancel out: what is silence then, was none before.
    """

    channel_peak: float = 0.0

    def mix(self, piece: np.ndarray) -> np.ndarray:
        """The mean over the channels of ``[shape=(n_samples, n_channels)]``."""
        n_channels = piece.shape[1]
        if n_channels > 1 and piece.size:
            self.channel_peak = max(self.channel_peak, float(piece.max()), -float(piece.min()))
        # Channel by channel: NumPy's mean over so short an axis takes twenty times as long.
        mono: np.ndarray = piece[:, 0].copy()
        for channel in range(1, n_channels):
            mono += piece[:, channel]
        mono /= np.float32(n_channels)
        return mono


@dataclass(frozen=True, kw_only=True)
class AudioStream:
    """A sound that is being decoded.

    ``blocks`` are np.ndarray [shape=(BLOCK_SAMPLES,), float32, full scale = 1], the last one may be shorter, none
    is empty; each is decoded when it is asked for, once. ``downmix`` tells what was mixed down so far.
    """

    format: AudioFormat
    blocks: Iterator[np.ndarray]
    downmix: Downmix = field(default_factory=Downmix)


def join_pieces(pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Pieces of any length, as blocks of ``BLOCK_SAMPLES`` and a shorter last one."""
    held: list[np.ndarray] = []
    n_held = 0
    for piece in pieces:
        rest = piece
        while n_held + len(rest) >= BLOCK_SAMPLES:
            n_missing = BLOCK_SAMPLES - n_held
            yield np.concatenate([*held, rest[:n_missing]])
            held, n_held, rest = [], 0, rest[n_missing:]
        if len(rest):
            held.append(rest)
            n_held += len(rest)
    if held:
        yield np.concatenate(held)
