"""What workers make of segments, without Spark: whole and broken rows, tracks that go on in the next batch."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsound.models.head import load_head
from deepsound.spark.segment_files import FilePiece, FileReader, TableFile, deal_pieces
from deepsound.spark.segment_scores import SegmentModel, SegmentScorer, pack_rows, to_features, unpack_rows


@pytest.fixture
def scorer(tiny_bundle):
    head = SimpleNamespace(load=lambda: load_head(tiny_bundle.head))
    model = SegmentModel(head=head, feature="toy", ood_score="energy", has_drift=True)
    return SegmentScorer(models=(model,), has_timeline=True)


def make_batch(track_ids, values, *, first=0):
    indices = pa.array(range(first, first + len(track_ids)), pa.int32())
    return pa.RecordBatch.from_pydict(
        {"track_id": track_ids, "segment_index": indices, "toy": pa.array(values, pa.list_(pa.float32()))}
    )


def rows_of(scorer, *batches):
    rows = pa.Table.from_batches(list(scorer(iter(batches)))).to_pylist()
    return [r["part"] for r in rows if r["part"]], [r["segment"] for r in rows if r["segment"]]


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.large_list(pa.float32())])
def test_features_keep_their_rows(kind):
    values = np.arange(24, dtype=float).reshape(2, 12)
    features, is_whole = to_features(pa.array(values.tolist(), kind), shape=(4, 3))
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, values.reshape(2, 4, 3))
    assert is_whole.all()


def test_broken_rows_do_not_move_the_others():
    rows = [list(range(12)), None, [1.0] * 11, list(range(12, 24)), [*range(11), None]]
    column = pa.array([[9.0] * 12, *rows], pa.list_(pa.float32())).slice(1)
    features, is_whole = to_features(column, shape=(4, 3))
    assert is_whole.tolist() == [True, False, False, True, True]
    np.testing.assert_array_equal(features[3].ravel(), np.arange(12, 24))
    assert np.isnan(features[4]).sum() == 1


def test_parts_are_sums_over_a_tracks_segments(scorer, tiny_bundle):
    values = np.random.default_rng(0).normal(size=(5, 12))
    batches = [
        make_batch(["a", "a", "b"], values[:3].tolist()),
        make_batch(["b", "a"], values[3:].tolist(), first=3),
    ]
    parts, timeline = rows_of(scorer, *batches)
    keys = [(part["track_id"], part["first_segment"], part["n_segments"]) for part in parts]
    assert keys == [("a", 0, 2), ("b", 2, 1), ("b", 3, 1), ("a", 4, 1)]
    head = load_head(tiny_bundle.head)
    features = values.reshape(5, 4, 3).astype(np.float32)
    scores = head.score(features, ood_scores=["energy"])
    np.testing.assert_allclose(
        np.frombuffer(parts[0]["m0"]["probabilities"]), scores.probabilities[:2].sum(axis=0), atol=1e-6
    )
    assert parts[0]["m0"]["ood"] == pytest.approx(scores.ood["energy"][:2].sum(), abs=1e-5)
    np.testing.assert_allclose(
        np.frombuffer(parts[0]["m0"]["means"]), features[:2].mean(axis=1).sum(axis=0), atol=1e-6
    )
    assert [row["segment_index"] for row in timeline] == [0, 1, 2, 3, 4]
    assert [row["m0"]["predicted"] for row in timeline] == scores.probabilities.argmax(axis=1).tolist()


def test_what_cannot_be_scored_is_counted_and_spoils_no_sum(scorer):
    rows = [[1.0] * 12, [float("nan")] * 12, [1.0] * 5, None]
    parts, timeline = rows_of(scorer, make_batch(["a"] * 4, rows))
    (part,) = parts
    assert (part["n_segments"], part["m0"]["n_malformed"], part["m0"]["n_not_finite"]) == (4, 2, 1)
    assert np.isclose(sum(np.frombuffer(part["m0"]["probabilities"])), 1)
    assert [row["m0"] is None for row in timeline] == [False, True, True, True]


def test_pieces_of_a_file_are_all_of_it_once(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"track_id": [f"t{i}" for i in range(10)], "other": [0] * 10}), path, row_group_size=2)
    reader = FileReader(columns=("track_id", "absent"), batch_size=3)
    pieces = [FilePiece(path=str(path), number=i, n_pieces=3) for i in range(3)]
    batches = list(reader(iter(pieces)))
    assert [row for batch in batches for row in batch.column(0).to_pylist()] == [f"t{i}" for i in range(10)]
    assert {tuple(batch.schema.names) for batch in batches} == {("track_id",)}


def test_pieces_are_dealt_in_order_and_large_files_are_cut():
    sizes = [1 << 20, 100 << 20, 1 << 20, 1 << 20]
    files = [TableFile(path=f"file:/x/{i}", size_bytes=size, modified="") for i, size in enumerate(sizes)]
    tasks = deal_pieces(files, n_tasks=4)
    dealt = [(piece.path, piece.number, piece.n_pieces) for task in tasks for piece in task]
    assert dealt == [("/x/0", 0, 1), *(("/x/1", i, 4) for i in range(4)), ("/x/2", 0, 1), ("/x/3", 0, 1)]
    assert 2 <= len(tasks) <= 4
    assert deal_pieces([], n_tasks=4) == []


def test_packed_rows_come_back_from_any_slice():
    values = np.random.default_rng(1).normal(size=(5, 3))
    np.testing.assert_array_equal(unpack_rows(pack_rows(values)), values)
    np.testing.assert_array_equal(unpack_rows(pack_rows(values).slice(2, 2)), values[2:4])
    for n, width in ((0, 3), (4, 0)):
        assert unpack_rows(pack_rows(np.zeros((n, width)))).shape == (n, 0)
