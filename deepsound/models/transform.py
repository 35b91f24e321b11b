"""What is done to each number of a feature before it is standardised."""

from collections.abc import Sequence

import numpy as np

from deepsound.data.layout import Layout
from deepsound.errors import ParameterError

# Closer to 0 or 1, a network's activations say nothing any more.
_MIN_PROBABILITY = 1e-4


def apply_transforms(values: np.ndarray, names: Sequence[str], *, layout: Layout) -> np.ndarray:
    """Segments (n_segments, *layout.shape) on other scales, one a feature; see :func:`apply_transform`."""
    parts = zip(layout.split(values), names, strict=True)
    return layout.join([apply_transform(part, name) for part, name in parts])


def apply_transform(values: np.ndarray, name: str) -> np.ndarray:
    """Values on another scale, float32, in the same shape.

    ``none``, or ``logit``: ln(p / (1 - p)) of probabilities, which lie crowded near 0; they are kept 1e-4 away
    from 0 and 1. Raises ParameterError if no transform is called so.
    """
    if name == "none":
        return values.astype(np.float32, copy=False)
    if name == "logit":
        p = np.clip(values.astype(np.float32, copy=False), _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
        logits: np.ndarray = np.log(p / (1 - p))
        return logits
    raise ParameterError(f"no transform is called {name!r}; there are none and logit")


def choose_transform(asked: str, *, values: np.ndarray) -> str:
    """The transform itself, where the setting leaves it to the values of the training split.

    ``auto`` is logit if no value lies outside 0 to 1, else none. Raises ParameterError if logit is asked for and a
    value lies outside 0 to 1.
    """
    is_probability = bool(values.min() >= 0 and values.max() <= 1)
    if asked == "auto":
        return "logit" if is_probability else "none"
    if asked == "logit" and not is_probability:
        raise ParameterError(
            f"transform is logit, but the feature holds numbers from {values.min():.3g} to {values.max():.3g}; "
            "logit is for probabilities, 0 to 1. Use transform=none, or auto"
        )
    return asked
