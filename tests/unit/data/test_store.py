import json

import numpy as np
import pytest

from deepsound.data.store import read_segments, read_summary, read_tracks
from deepsound.errors import InputError, SchemaMismatchError, UnknownFeatureError


def rows(values=None):
    values = np.arange(24.0).reshape(2, 4, 3) if values is None else values
    return [
        {"track_id": "b", "genre": "x", "values": values},
        {"track_id": "a", "genre": "y", "values": values[:1] + 1},
    ]


def test_segments_come_in_order(write_features):
    table = read_segments(str(write_features(rows())), names=["toy"])
    assert list(table.track_ids) == ["a", "b", "b"]
    assert table.values.shape == (3, 4, 3)
    assert table.values[1, 0, 1] == 1.0
    assert table.values[2, 0, 0] == 12.0


def test_by_uri(write_features):
    folder = write_features(rows())
    assert read_tracks(f"file://{folder}").num_rows == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [(np.full((1, 4, 3), np.nan), "'toy' holds NaN"), (np.zeros((1, 4, 2)), "rows that are not 4 x 3")],
)
def test_bad_numbers(write_features, values, message):
    folder = write_features(rows(values))
    with pytest.raises(SchemaMismatchError, match=message):
        read_segments(str(folder), names=["toy"])


def test_missing_things(write_features, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_summary(str(tmp_path / "absent"))
    folder = write_features(rows())
    with pytest.raises(UnknownFeatureError, match="declared: toy"):
        read_segments(str(folder), names=["mfcc"])
    summary = json.loads((folder / "extract.json").read_text())
    summary["features"]["ghost"] = {"shape": [1, 1]}
    (folder / "extract.json").write_text(json.dumps(summary))
    with pytest.raises(SchemaMismatchError, match=r"cannot read .*ghost"):
        read_segments(str(folder), names=["ghost"])
    (folder / "extract.json").write_text("{}")
    with pytest.raises(SchemaMismatchError, match="not what extract writes"):
        read_summary(str(folder))
    (folder / "extract.json").unlink()
    with pytest.raises(InputError, match="did not finish"):
        read_summary(str(folder))
