"""Bundles that differ in what the tests of this folder are about."""

import dataclasses

import pyarrow as pa
import pytest

from deepsound.models.head import PackedHead


@pytest.fixture
def make_bundle(tiny_bundle, head_weights, linear_onnx):
    """A function that makes bundles on ``toy``: other weights, genres, or another split (track_id to split)."""

    def make(*, weights=None, genres=None, splits=None, artists=None, contents=None, **changes):
        spec = dataclasses.replace(tiny_bundle.head.spec, genres=genres or tiny_bundle.taxonomy.genres)
        head = PackedHead(spec, linear_onnx(head_weights if weights is None else weights))
        if splits is not None:
            text = pa.string()
            columns = {"track_id": pa.array(list(splits), text), "split": pa.array(list(splits.values()), text)}
            columns["artist"] = pa.array([(artists or {}).get(track_id) for track_id in splits], text)
            if contents is not None:
                columns["content_sha256"] = pa.array([contents.get(track_id) for track_id in splits], text)
            changes["split"] = pa.table(columns)
        return dataclasses.replace(tiny_bundle, head=head, **changes)

    return make
