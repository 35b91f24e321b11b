"""Whether features are what a model was trained on."""

import json

from deepsound.errors import FingerprintMismatchError
from deepsound.models.bundle import Bundle


def check_features(bundle: Bundle, *, shape: tuple[int, int], fingerprint: str, where: str) -> None:
    """Refuse features of another shape or definition than the model's.

    Parameters
    ----------
    shape : (n_frames, n_dims)
    fingerprint : str
        Of the feature that is called like the model's.
    where : str
        Whose features these are, for the message.

    Raises
    ------
    FingerprintMismatchError
    """
    if shape != bundle.head.spec.shape:
        raise FingerprintMismatchError(
            f"the model wants {bundle.feature} of {bundle.head.spec.shape}, {where} hold {shape}; "
            "was another segment_s used?"
        )
    check_fingerprint(bundle, fingerprint=fingerprint, where=where)


def check_fingerprint(bundle: Bundle, *, fingerprint: str, where: str) -> None:
    """Refuse a feature of another definition than the model's; see :func:`check_features`."""
    if fingerprint != bundle.feature_fingerprint:
        raise FingerprintMismatchError(
            f"the model was trained on {bundle.feature} with the fingerprint {bundle.feature_fingerprint[:12]}, "
            f"{where} gives {fingerprint[:12]}: other settings or another definition. Extract again with the "
            f"model's settings: {json.dumps(bundle.extract_settings)}"
        )
