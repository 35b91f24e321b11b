"""One file through the function that an extraction maps over a collection."""

import io
from collections.abc import Sequence
from typing import BinaryIO

from deepsound.config import ExtractSettings
from deepsound.features.base import FeatureExtractor
from deepsound.features.track import TrackOutcome, extract_track


def extract_bytes(
    content: bytes, *, extractors: Sequence[FeatureExtractor], settings: ExtractSettings
) -> TrackOutcome:
    """What becomes of a file of these bytes."""
    return extract_file(io.BytesIO(content), extractors=extractors, settings=settings)


def extract_file(
    file: BinaryIO, *, extractors: Sequence[FeatureExtractor], settings: ExtractSettings
) -> TrackOutcome:
    """What becomes of an open file."""
    return extract_track(file, extractors=extractors, settings=settings)
