"""One file, held in memory, through the function that an extraction maps over a collection."""

from collections.abc import Sequence

from deepsound.config import ExtractSettings
from deepsound.features.base import FeatureExtractor
from deepsound.features.track import TrackOutcome, extract_track


def extract_bytes(
    content: bytes, *, extractors: Sequence[FeatureExtractor], settings: ExtractSettings
) -> TrackOutcome:
    """What becomes of a file of these bytes."""
    return extract_track(content, extractors=extractors, settings=settings)
