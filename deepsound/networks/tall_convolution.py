"""MusiCNN's convolutions that are tall in frequency, and the maximum over the bands behind each.

A kernel over 38 of the 96 bands stands at 59 places, and at each takes 38 products. Here it takes one in each of
the 49 bins of a Fourier transform over the bands, and a transform back. Only the maximum is wanted of that: at two
places as far from the middle one, a convolution is E + O and E - O; the larger of both is E + |O|, so that half of
the places do. That is a quarter of the products for the same numbers, but for the last bits.
"""

import numpy as np

from deepsound.networks.graph import GraphWriter
from deepsound.networks.musicnn_input import N_MELS

N_KERNEL_FRAMES = 7
N_BORDER_FRAMES = N_KERNEL_FRAMES // 2
_N_BINS = N_MELS // 2 + 1
SPECTRUM_SIZE = 2 * _N_BINS
# As many as give intermediate results that stay in a processor's cache until the next operator takes them.
_CHANNELS_AT_ONCE = 51


def add_spectra(writer: GraphWriter, frames: str) -> str:
    """Fourier transform over the bands: (n_frames, 96) to (n_frames, 98), real and imaginary part bin by bin."""
    angles = 2 * np.pi * np.outer(np.arange(N_MELS), np.arange(_N_BINS)) / N_MELS
    transform = np.stack([np.cos(angles), -np.sin(angles)], axis=2).reshape(N_MELS, SPECTRUM_SIZE)
    return writer.add("MatMul", frames, writer.weight(transform))


def add_neighbourhoods(writer: GraphWriter, spectra: str) -> str:
    """A frame and three on each side, which a kernel meets: (n, n_frames + 6, 98) to (49, n * n_frames, 14)."""
    ends = [i - N_KERNEL_FRAMES + 1 for i in range(N_KERNEL_FRAMES - 1)]
    shifted = [writer.slice(spectra, i, end, axis=1) for i, end in enumerate(ends)]
    shifted.append(writer.slice(spectra, N_KERNEL_FRAMES - 1, axis=1))
    joined = writer.add("Concat", *shifted, axis=2)
    by_bin = writer.reshape(joined, -1, N_KERNEL_FRAMES, _N_BINS, 2)
    by_bin = writer.add("Transpose", by_bin, perm=[2, 0, 1, 3])
    return writer.reshape(by_bin, _N_BINS, -1, 2 * N_KERNEL_FRAMES)


class TallConvolution:
    """One such convolution; its weights are in the graph once, however often it is applied.

    Parameters
    ----------
    kernel : np.ndarray [shape=(7, n_bands, n_channels)]
        ``n_channels`` a multiple of 51.
    """

    def __init__(self, writer: GraphWriter, kernel: np.ndarray) -> None:
        self._writer = writer
        n_places = N_MELS - kernel.shape[1] + 1
        middle = (n_places - 1) / 2
        self._even, self._odd = (writer.weight(part) for part in _inverse_transforms(middle))
        real, imaginary = _transform_kernel(kernel, middle=middle)
        self._groups = [
            (writer.weight(real[..., first : first + _CHANNELS_AT_ONCE]),
             writer.weight(imaginary[..., first : first + _CHANNELS_AT_ONCE]))
            for first in range(0, kernel.shape[2], _CHANNELS_AT_ONCE)
        ]  # fmt: skip

    def add_maximum(self, neighbourhoods: str) -> str:
        """Convolution and the maximum over its places: (49, n_frames, 14) to (n_frames, n_channels)."""
        writer, maxima = self._writer, []
        for real, imaginary in self._groups:
            even = self._add_part(neighbourhoods, real, self._even)
            odd = writer.add("Abs", self._add_part(neighbourhoods, imaginary, self._odd))
            maximum = writer.add("ReduceMax", writer.add("Add", even, odd), axes=[0], keepdims=0)
            maxima.append(writer.reshape(maximum, -1, _CHANNELS_AT_ONCE))
        return writer.add("Concat", *maxima, axis=1)

    def _add_part(self, neighbourhoods: str, weights: str, inverse: str) -> str:
        """The even or the odd part: (n_places on one side, n_frames * n_channels)."""
        products = self._writer.add("MatMul", neighbourhoods, weights)
        return self._writer.add("MatMul", inverse, self._writer.reshape(products, _N_BINS, -1))


def _transform_kernel(kernel: np.ndarray, *, middle: float) -> tuple[np.ndarray, np.ndarray]:
    """What gives the real, and what the imaginary part of the products: each (49, 14, n_channels).

    The transform is shifted so that its place 0 is the middle of the kernel's places.
    """
    bins, bands = np.arange(_N_BINS), np.arange(kernel.shape[1])
    waves = np.exp(2j * np.pi * np.outer(bins, bands + middle) / N_MELS)
    spectra = np.einsum("kb,tbc->ktc", waves, kernel)
    shape = (_N_BINS, 2 * N_KERNEL_FRAMES, kernel.shape[2])
    return (
        np.stack([spectra.real, -spectra.imag], axis=2).reshape(shape),
        np.stack([spectra.imag, spectra.real], axis=2).reshape(shape),
    )


def _inverse_transforms(middle: float) -> tuple[np.ndarray, np.ndarray]:
    """From the products' real parts to E, from their imaginary parts to O, at the places from the middle on."""
    places = np.arange(middle % 1, middle + 1)
    bins = np.arange(_N_BINS)
    # All but the first and the last bin stand for their mirror images, too.
    shares = np.where((bins == 0) | (bins == _N_BINS - 1), 1, 2) / N_MELS
    angles = 2 * np.pi * np.outer(places, bins) / N_MELS
    return shares * np.cos(angles), -shares * np.sin(angles)
