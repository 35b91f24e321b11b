"""Pictures of a track's features, as PNG in a data URI, where the audio itself is not at hand."""

import base64
import io
from dataclasses import dataclass

import matplotlib.image
import numpy as np
import scipy.fft

# The filterbank that the MFCCs were made with; see deepsound.features.mfcc.
_N_MELS = 128
_MAX_COLUMNS, _MAX_ROWS = 360, 256


@dataclass(frozen=True, kw_only=True)
class FeaturePicture:
    """``data_uri`` of a PNG, and in words what it shows."""

    data_uri: str
    caption: str


def picture_features(
    values: np.ndarray, *, feature: str, mean: np.ndarray, std: np.ndarray, duration_s: float | None = None
) -> FeaturePicture:
    """A picture of a track: of MFCCs an approximate mel spectrogram, of log-mel what it is, else a heat map.

    Parameters
    ----------
    values : np.ndarray [shape=(n_segments, n_frames, n_dims), float32]
        The track's segments in the order of time, not standardised.
    mean, std : np.ndarray [shape=(n_dims,)]
        The model's standardisation, for the heat map.
    duration_s : float, optional
        How long the segments are together.
    """
    frames = values.reshape(-1, values.shape[-1]).astype(np.float64)
    seconds = "" if duration_s is None else f", {duration_s:.0f} s"
    if feature == "mfcc":
        # Thirteen coefficients hold the outline of 128 mel bands; the rest of them is taken as 0.
        picture = scipy.fft.idct(frames, type=2, n=_N_MELS, axis=1, norm="ortho")
        caption = f"mel spectrogram, approximate, from {frames.shape[1]} MFCCs{seconds}; low frequencies below"
        cmap = "magma"
    elif feature.endswith("log_mel"):
        picture, cmap = frames, "magma"
        caption = f"log-mel spectrogram{seconds}; low frequencies below"
    else:
        picture, cmap = np.clip((frames - mean) / std, -3, 3), "viridis"
        caption = f"{feature} as a heat map, {frames.shape[1]} dimensions over time{seconds}"
    return FeaturePicture(data_uri=_to_data_uri(_fit(picture).T, cmap), caption=caption)


def _fit(picture: np.ndarray) -> np.ndarray:
    """At most 360 steps in time, by averaging, and 256 dimensions, by leaving out."""
    n_frames = len(picture)
    if n_frames > _MAX_COLUMNS:
        edges = np.linspace(0, n_frames, _MAX_COLUMNS + 1).astype(int)[:-1]
        picture = np.add.reduceat(picture, edges, axis=0) / np.diff([*edges, n_frames])[:, np.newaxis]
    return picture[:, :_MAX_ROWS]


def _to_data_uri(image: np.ndarray, cmap: str) -> str:
    low, high = np.quantile(image, [0.01, 0.99])
    stream = io.BytesIO()
    matplotlib.image.imsave(
        stream, image, cmap=cmap, vmin=low, vmax=max(high, low + 1e-9), origin="lower", format="png"
    )
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
