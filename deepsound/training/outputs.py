"""What a Keras network gives for segments, a few at a time."""

import keras
import numpy as np

from deepsound.data.layout import Layout
from deepsound.evaluation.ood.statistics import SegmentOutputs

# Values that a network takes at a time: 256 segments of MFCCs, 17 where the network is a whole VGGish.
_BATCH_VALUES = 1 << 20


def compute_logits(model: keras.Model, standardized: np.ndarray) -> np.ndarray:
    """Logits [shape=(n_segments, n_genres)] of inputs as the network takes them."""
    return _in_batches(model, standardized)[0]


def compute_outputs(model: keras.Model, standardized: np.ndarray, *, layout: Layout) -> SegmentOutputs:
    """What out-of-distribution scores are computed from, of inputs as the network takes them."""
    both = keras.Model(model.input, [model.output, model.get_layer("penultimate").output])
    logits, penultimate = _in_batches(both, standardized)
    means = layout.average_frames(standardized)
    return SegmentOutputs(logits=logits, penultimate=penultimate, feature_means=means)


def compute_penultimate(model: keras.Model, standardized: np.ndarray) -> np.ndarray:
    """What the last dense layer sees [shape=(n_segments, n_units)] of inputs as the network takes them."""
    return _in_batches(keras.Model(model.input, model.get_layer("penultimate").output), standardized)[0]


def _in_batches(model: keras.Model, standardized: np.ndarray) -> list[np.ndarray]:
    """Each output of the model for all segments."""
    n_segments = max(1, _BATCH_VALUES // standardized[:1].size)
    starts = range(0, len(standardized), n_segments)
    # Called as it is: predict() would build, and for every fold build again, a graph of its own.
    batches = [model(standardized[i : i + n_segments], training=False) for i in starts]
    batches = [batch if isinstance(batch, list | tuple) else [batch] for batch in batches]
    return [np.concatenate([np.asarray(part) for part in parts]) for parts in zip(*batches, strict=True)]
