"""The original callable of a SavedModel: the yardstick of the conversion, and what runs where that fails."""

import pathlib

import numpy as np
import tensorflow as tf

from deepsound.errors import NetworkMismatchError, first_line
from deepsound.networks.vggish import N_DIMS


class TensorflowEngine:
    """A SavedModel that is called with a waveform, as VGGish on TF-Hub is.

    Parameters
    ----------
    folder : pathlib.Path
        Its object takes (n_samples,) float32 at 16 kHz and gives (n_patches, 128).

    Raises
    ------
    NetworkMismatchError
        If the SavedModel cannot be loaded, called, or gives something else.
    """

    wants_waveform = True

    def __init__(self, folder: pathlib.Path) -> None:
        try:
            # Kept whole: the callable does not keep the variables alive that it uses.
            self._model = tf.saved_model.load(str(folder))
        except Exception as exc:  # TensorFlow raises half a dozen unrelated classes here
            raise NetworkMismatchError(f"the SavedModel {folder} cannot be loaded: {first_line(exc)}") from exc
        if not callable(self._model):
            raise NetworkMismatchError(f"the SavedModel {folder} is not VGGish: it takes no waveform")

    def run(self, values: np.ndarray) -> np.ndarray:
        """Embedding of a waveform.

        Parameters
        ----------
        values : np.ndarray [shape=(n_samples,), float32, full scale = 1]

        Returns
        -------
        np.ndarray [shape=(n_patches, 128), float32]
        """
        try:
            embedding = np.asarray(self._model(tf.constant(values, tf.float32)), np.float32)
        except (ValueError, TypeError, tf.errors.OpError) as exc:
            raise NetworkMismatchError(
                f"the SavedModel is not VGGish: it does not take a waveform ({first_line(exc)})"
            ) from exc
        if embedding.ndim != 2 or embedding.shape[1] != N_DIMS:
            raise NetworkMismatchError(
                f"the SavedModel is not VGGish: it gives shape {embedding.shape}, wanted (n_patches, {N_DIMS})"
            )
        return embedding
