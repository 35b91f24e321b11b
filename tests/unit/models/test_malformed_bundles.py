"""Bundles as a stranger may hand them over: each is refused in one line, none ends in a traceback."""

import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import zipfile

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper

from deepsound.errors import BundleError
from deepsound.models.bundle import read_bundle

FROZEN = pathlib.Path(__file__).resolve().parents[2] / "data" / "bundles"
NAN, INF = float("nan"), float("inf")
# Written out: json.dumps cannot say it.
DEEP = "[" * 100_000 + "]" * 100_000


def put(*keys, value):
    """A change that sets what stands at a place of the manifest."""

    def change(manifest):
        target = manifest
        for key in keys[:-1]:
            target = target[key]
        target[keys[-1]] = value

    return change


def drop(*keys):
    def change(manifest):
        target = manifest
        for key in keys[:-1]:
            target = target[key]
        del target[keys[-1]]

    return change


STD = ("standardization", "std")
MANIFESTS = {
    **{
        f"temperature {value!r}": put("temperature", value=value) for value in (NAN, INF, 0, 0.0, -1, -1.0, 1e-320)
    },
    **{f"temperature {value!r:.9}": put("temperature", value=value) for value in (1e300, "2", True, None, [1])},
    "temperature of 400 digits": put("temperature", value=10**400),
    "no temperature": drop("temperature"),
    "std NaN": put(*STD, value=[1.0, NAN, 1.0]),
    "std 0": put(*STD, value=[1.0, 0.0, 1.0]),
    "std that float32 makes 0": put(*STD, value=[1.0, 1e-300, 1.0]),
    "std below 0": put(*STD, value=[1.0, -1.0, 1.0]),
    "std infinite": put(*STD, value=[1.0, INF, 1.0]),
    "std too short": put(*STD, value=[1.0, 1.0]),
    "std too long": put(*STD, value=[1.0] * 4),
    "std one number": put(*STD, value=1.0),
    "std of words": put(*STD, value=["1", "1", "1"]),
    "mean NaN": put("standardization", "mean", value=[NAN, 0.0, 0.0]),
    "mean beyond float32": put("standardization", "mean", value=[1e39, 0.0, 0.0]),
    "mean too short": put("standardization", "mean", value=[0.0]),
    "no mean": drop("standardization", "mean"),
    "transform unknown": put("standardization", "transform", value="exec"),
    "false-alarm rate below 0": put("ood", "false_alarm_rate", value=-0.05),
    "false-alarm rate 0": put("ood", "false_alarm_rate", value=0),
    "false-alarm rate above 1": put("ood", "false_alarm_rate", value=1.5),
    "false-alarm rate NaN": put("ood", "false_alarm_rate", value=NAN),
    "tracks below 0": put("ood", "n_tracks", value=-3),
    "tracks 0": put("ood", "n_tracks", value=0),
    "tracks 10^30": put("ood", "n_tracks", value=10**30),
    "tracks a fraction": put("ood", "n_tracks", value=2.5),
    "independent below 1": put("ood", "n_independent", value=0.5),
    "independent infinite": put("ood", "n_independent", value=INF),
    "threshold NaN": put("ood", "thresholds", "feature_mahalanobis", value=NAN),
    "threshold infinite": put("ood", "thresholds", "energy", value=-INF),
    "threshold a word": put("ood", "thresholds", "energy", value="high"),
    "thresholds a list": put("ood", "thresholds", value=[1.0]),
    "score unknown": put("ood", "score", value="os.system"),
    "score without a threshold": drop("ood", "thresholds", "feature_mahalanobis"),
    "rule a number": put("ood", value=3),
    "home scores falling": put("ood", "home_scores", value=[2.0, 1.0]),
    "home units without scores": put("ood", "home_units", value=[0]),
    "home units below 0": put("ood", "home_units", value=[-1]),
    "home units of terabytes": put("ood", "home_units", value=[1 << 40]),
    "home scores null": put("ood", "home_scores", value=[None]),
    "shape of 10^12 numbers": put("feature", "shape", value=[10**6, 10**6]),
    "shape 0": put("feature", "shape", value=[0, 3]),
    "shape below 0": put("feature", "shape", value=[-4, -3]),
    "shape of three": put("feature", "shape", value=[4, 3, 1]),
    "shape of fractions": put("feature", "shape", value=[4.0, 3.0]),
    "shape another": put("feature", "shape", value=[5, 3]),
    "feature a word": put("feature", value="toy"),
    "feature without a name": put("feature", "name", value=""),
    "fingerprint a number": put("feature", "fingerprint", value=3),
    "network a number": put("feature", "network", value=3),
    "network from nowhere": put("feature", "network", value="https://example.org/x"),
    "one genre": put("taxonomy", value=["bells"]),
    "a genre twice": put("taxonomy", value=["bells", "bells", "flutes"]),
    "a genre too many": put("taxonomy", value=["bells", "drums", "flutes", "gongs"]),
    "a genre a number": put("taxonomy", value=["bells", 7, "flutes"]),
    "a genre half a letter": put("taxonomy", value=["bells", "\ud800", "flutes"]),
    "genres a word": put("taxonomy", value="abc"),
    "extract settings a list": put("extract_settings", value=[]),
    "extract settings below 0": put("extract_settings", value={"segment_s": -10.0}),
    "extract settings NaN": put("extract_settings", value={"segment_s": NAN}),
    "extract settings deep": put(
        "extract_settings", value={"x": [[[[]]]] * 2, "y": json.loads("[" * 99 + "]" * 99)}
    ),
    "train settings 10^30": put("train_settings", "seed", value=10**30),
    "train settings null": put("train_settings", value=None),
    "run id a path": put("run_id", value="../../etc"),
    "digest a path": put("files_sha256", "head.onnx", value="../head.onnx"),
    "digest null": put("files_sha256", "head.onnx", value=None),
    "no head": drop("files_sha256", "head.onnx"),
    "no statistics": drop("files_sha256", "ood.npz"),
    "format true": put("format_version", value=True),
}


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(FROZEN / "v2", tmp_path / "bundle")


def refusal_of(folder):
    with pytest.raises(BundleError) as caught:
        read_bundle(folder)
    message = str(caught.value)
    assert folder.name in message
    assert "\n" not in message
    assert len(message) < 700
    return message


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_with_what_cannot_be_is_refused(folder, name):
    manifest = json.loads((folder / "bundle.json").read_text())
    MANIFESTS[name](manifest)
    (folder / "bundle.json").write_text(json.dumps(manifest))
    refusal_of(folder)


def test_the_file_and_the_field_are_named(folder):
    manifest = json.loads((folder / "bundle.json").read_text())
    put("ood", "thresholds", "energy", value="high")(manifest)
    (folder / "bundle.json").write_text(json.dumps(manifest))
    assert "bundle.json: ood.thresholds.energy: Input should be a valid number, got 'high'" in refusal_of(folder)
    drop("standardization", "mean")(manifest)
    (folder / "bundle.json").write_text(json.dumps(manifest))
    assert "bundle.json: standardization.mean: Field required (and 1 more)" in refusal_of(folder)


V1 = {
    "temperature": put("temperature", value=-1),
    "threshold": put("ood", "threshold", value=NAN),
    "no threshold": drop("ood", "threshold"),
    "score": put("ood", "score", value=["energy"]),
    "digest": put("head_sha256", value=None),
    "rule": put("ood", value=[]),
}


@pytest.mark.parametrize("name", V1)
def test_so_is_one_of_format_1(tmp_path, name):
    folder = shutil.copytree(FROZEN / "v1", tmp_path / "bundle")
    manifest = json.loads((folder / "bundle.json").read_text())
    V1[name](manifest)
    (folder / "bundle.json").write_text(json.dumps(manifest))
    refusal_of(folder)


TEXTS = {
    "deep": DEEP,
    "deep and unfinished": "[" * 100_000,
    "deep below a key": '{"format_version": 2, "taxonomy": ' + DEEP + "}",
    "a number without end": '{"format_version": ' + "9" * 5000 + "}",
    "too large a number": '{"format_version": 2, "taxonomy": ["a", "b"], "temperature": 1e999}',
    "a list": "[2]",
    "null": "null",
    "empty": "",
    "half": '{"format_version": 2',
}


@pytest.mark.parametrize("name", TEXTS)
def test_json_that_is_no_manifest_is_refused(folder, name):
    (folder / "bundle.json").write_text(TEXTS[name])
    refusal_of(folder)


def test_bytes_that_are_no_text_are_refused(folder):
    (folder / "bundle.json").write_bytes(b"\xff\xfe\x00")
    assert "is not JSON" in refusal_of(folder)


def forge(folder, name, content):
    """A file that is another, but as the manifest says."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["files_sha256"][name] = hashlib.sha256(content).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(manifest))


def array_file(shape, content=b"", dtype="<f8"):
    """An array as NumPy writes it, of whatever shape it claims."""
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + content


def npz_with(folder, compression=zipfile.ZIP_STORED, **changed):
    """The frozen statistics, with arrays (or the bytes of one) put in."""
    file = io.BytesIO()
    with zipfile.ZipFile(folder / "ood.npz") as old, zipfile.ZipFile(file, "w", compression) as new:
        for name in old.namelist():
            value = changed.get(name.removesuffix(".npy"), old.read(name))
            if isinstance(value, np.ndarray):
                raw = io.BytesIO()
                np.save(raw, value)
                value = raw.getvalue()
            new.writestr(name, value)
    return file.getvalue()


STATISTICS = {
    "as they are": (True, lambda folder: npz_with(folder)),
    "10^12 numbers": (False, lambda folder: npz_with(folder, bank=array_file((10**6, 10**6)))),
    "10^12 of nothing": (False, lambda folder: npz_with(folder, bank=array_file((10**12,), dtype="|V0"))),
    "less than nothing": (False, lambda folder: npz_with(folder, bank=array_file((-1, -1), bytes(8)))),
    "a shape that is none": (False, lambda folder: npz_with(folder, bank=array_file(("a",)))),
    "objects": (False, lambda folder: npz_with(folder, bank=array_file((1,), b"cos\nsystem\n.", dtype="|O"))),
    "packed": (False, lambda folder: npz_with(folder, zipfile.ZIP_DEFLATED)),
    "NaN": (False, lambda folder: npz_with(folder, feature_origin=np.full(3, NAN))),
    "too large for float32": (False, lambda folder: npz_with(folder, feature_origin=np.full(3, 1e300))),
    "long neighbours": (False, lambda folder: npz_with(folder, bank=np.full((9, 4), 5.0))),
    "neighbour 10^18": (False, lambda folder: npz_with(folder, n_neighbours=np.array(10**18))),
    "no zip": (False, lambda _: b"\x93NUMPY\x01\x00"),
}


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_that_cannot_be_are_refused(folder, name):
    is_right, make = STATISTICS[name]
    with np.load(folder / "ood.npz") as arrays:
        assert arrays["origin"].shape == (4,)
    forge(folder, "ood.npz", make(folder))
    if is_right:
        read_bundle(folder)
    else:
        assert "out-of-distribution statistics" in refusal_of(folder)


DRIFTS = {
    "counts 10^30": put("features", 0, "counts", 0, value=10**30),
    "counts below 0": put("features", 0, "counts", 0, value=-1),
    "counts of fractions": put("features", 0, "counts", 0, value=0.5),
    "edges NaN": put("features", 0, "edges", 0, value=NAN),
    "edges falling": put("features", 0, "edges", 0, value=1e9),
    "edges without end": put("features", 0, "edges", value=list(range(10_000))),
    "name a number": put("features", 0, "name", value=3),
    "containers 10^30": put("containers", "wav", value=10**30),
    "containers a list": put("containers", value=["wav"]),
    "quantities without end": put("tracks", value=[{"name": "x", "edges": [], "counts": [1]}] * 2000),
    "no features": put("features", value=[]),
    "a word for yes": put("is_rounded", value="yes"),
    "independent NaN": put("n_independent", value=NAN),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_a_drift_reference_that_cannot_be_is_refused(folder, name):
    drift = json.loads((folder / "drift.json").read_text())
    DRIFTS[name](drift)
    forge(folder, "drift.json", json.dumps(drift).encode())
    assert re.search(r"drift\.json|drift reference", refusal_of(folder))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"3", DEEP.encode()])
def test_a_drift_reference_that_is_none_is_refused(folder, content):
    forge(folder, "drift.json", content)
    refusal_of(folder)


def folds_of(**changed):
    """Two tracks as out_of_fold.parquet has them, with columns put in or, with None, left out."""
    columns = {
        "track_id": pa.array(["a", "b"]),
        "artist": pa.array([None, "x"], pa.string()),
        "genre": pa.array(["bells", "drums"]),
        "predicted_genre": pa.array(["bells", "flutes"]),
        "confidence": pa.array([0.5, 0.6]),
        "probabilities": pa.array([[0.5, 0.25, 0.25], [0.1, 0.3, 0.6]]),
        "fold": pa.array([1, 2], pa.int32()),
        **changed,
    }
    file = io.BytesIO()
    pq.write_table(pa.table({name: column for name, column in columns.items() if column is not None}), file)
    return file.getvalue()


FOLDS = {
    "no fold": (folds_of(fold=None), "has the columns"),
    "fold a text": (folds_of(fold=pa.array(["1", "2"])), "has the columns"),
    "one column more": (folds_of(more=pa.array([1, 2])), "has the columns"),
    "a track twice": (folds_of(track_id=pa.array(["a", "a"])), "a track twice"),
    "a track without a name": (folds_of(track_id=pa.array(["a", None])), "a track twice"),
    "a genre of another model": (folds_of(genre=pa.array(["bells", "polka"])), "does not know"),
    "a prediction of another model": (folds_of(predicted_genre=pa.array(["bells", "polka"])), "does not know"),
    "no genre": (folds_of(genre=pa.array(["bells", None])), "does not know"),
    "four probabilities": (
        folds_of(probabilities=pa.array([[0.5, 0.5, 0, 0], [1.0, 0, 0, 0]])),
        "3 probabilities",
    ),
    "no probabilities": (folds_of(probabilities=pa.array([[0.5, 0.25, 0.25], None])), "3 probabilities"),
    "probabilities NaN": (folds_of(probabilities=pa.array([[0.5, 0.25, 0.25], [NAN, 0.4, 0.6]])), "sum to 1"),
    "probabilities null": (folds_of(probabilities=pa.array([[0.5, 0.25, 0.25], [None, 0.4, 0.6]])), "sum to 1"),
    "probabilities infinite": (folds_of(probabilities=pa.array([[0.5, 0.25, 0.25], [INF, 0.4, 0.6]])), "sum to 1"),
    "probabilities below 0": (folds_of(probabilities=pa.array([[0.5, 0.25, 0.25], [-0.5, 0.9, 0.6]])), "sum to 1"),
    "probabilities of 2": (folds_of(probabilities=pa.array([[0.5, 0.25, 0.25], [0.6, 0.6, 0.6]])), "sum to 1"),
    "another confidence": (folds_of(confidence=pa.array([0.5, 0.7])), "sum to 1"),
    "confidence null": (folds_of(confidence=pa.array([0.5, None])), "sum to 1"),
    "no Parquet": (b"PAR1", "damaged"),
}


def test_out_of_fold_predictions_are_read(folder):
    assert read_bundle(folder).out_of_fold is None
    forge(folder, "out_of_fold.parquet", folds_of())
    assert read_bundle(folder).out_of_fold["predicted_genre"].to_pylist() == ["bells", "flutes"]
    (folder / "out_of_fold.parquet").write_bytes(folds_of(artist=pa.array(["y", "x"])))
    assert "out_of_fold.parquet is not the file the bundle was written with" in refusal_of(folder)
    (folder / "out_of_fold.parquet").unlink()
    refusal_of(folder)


@pytest.mark.parametrize("name", FOLDS)
def test_out_of_fold_predictions_that_cannot_be_are_refused(folder, name):
    content, words = FOLDS[name]
    forge(folder, "out_of_fold.parquet", content)
    assert words in refusal_of(folder)


def head_with(nodes, weights):
    inputs, logits = (helper.make_tensor_value_info(n, 1, ["n", *s]) for n, s in (("x", (4, 3)), ("logits", (3,))))
    penultimate = helper.make_tensor_value_info("penultimate", 1, ["n", 4])
    graph = helper.make_graph(nodes, "g", [inputs], [logits, penultimate], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return made.SerializeToString()


def claiming_head(_):
    weight = TensorProto(name="w", data_type=1, dims=[10**6, 10**6], raw_data=b"1234")
    return head_with([helper.make_node("Gather", ["w", "x"], ["logits"])], [weight])


def external_head(folder):
    made = onnx.load_from_string((folder / "head.onnx").read_bytes())
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="bundle.json")
    return made.SerializeToString()


def failing_head(folder):
    """Its shapes are right, and it can do nothing with a segment."""
    made = onnx.load_from_string((folder / "head.onnx").read_bytes())
    old = made.graph.input[0].name
    made.graph.input[0].name = "raw"
    shape = helper.make_tensor("wanted", TensorProto.INT64, [3], [-1, 5, 7])
    back = helper.make_tensor("back", TensorProto.INT64, [3], [-1, 4, 3])
    made.graph.initializer.extend([shape, back])
    made.graph.node.insert(0, helper.make_node("Reshape", ["raw", "wanted"], ["odd"]))
    made.graph.node.insert(1, helper.make_node("Reshape", ["odd", "back"], [old]))
    return made.SerializeToString()


HEADS = {
    "empty": lambda _: b"",
    "words": lambda _: b"not a network",
    "half": lambda folder: (folder / "head.onnx").read_bytes()[:900],
    "10^12 numbers": claiming_head,
    "another file's numbers": external_head,
    "that fails on a segment": failing_head,
    "of other outputs": lambda _: (FROZEN / "v1" / "head.onnx").read_bytes(),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_is_none_is_refused(folder, name):
    forge(folder, "head.onnx", HEADS[name](folder))
    refusal_of(folder)


def parquet_of(columns, **options):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


SPLITS = {
    "no Parquet": b"PAR1",
    "empty": b"",
    "other columns": parquet_of({"a": ["x"]}),
    "numbers for names": parquet_of({"track_id": [1, 2], "split": ["train", "test"]}),
    "a track twice": parquet_of({"track_id": ["x", "x"], "split": ["train", "test"]}),
    "a track without a name": parquet_of({"track_id": ["x", None], "split": ["train", "test"]}),
    "another split": parquet_of({"track_id": ["x"], "split": ["dev"]}),
    "more rows than bytes": parquet_of(
        {
            "track_id": pa.DictionaryArray.from_arrays(pa.array(np.zeros(10**6, np.int32)), ["x"]).cast("string"),
            "split": pa.DictionaryArray.from_arrays(pa.array(np.zeros(10**6, np.int32)), ["test"]).cast("string"),
        },
        compression="zstd",
    ),
}


@pytest.mark.parametrize("name", SPLITS)
def test_a_split_that_is_none_is_refused(folder, name):
    (folder / "split.parquet").write_bytes(SPLITS[name])
    refusal_of(folder)


@pytest.mark.parametrize("name", ["bundle.json", "head.onnx", "ood.npz", "drift.json", "split.parquet"])
def test_what_is_no_file_of_the_folder_is_not_read(folder, name):
    elsewhere = folder.parent / "elsewhere"
    (folder / name).rename(elsewhere)
    refusal_of(folder)
    (folder / name).symlink_to(elsewhere)
    assert "leads to" in refusal_of(folder)
    (folder / name).unlink()
    # Who reads a pipe waits for ever.
    os.mkfifo(folder / name)
    assert "is no file of the bundle" in refusal_of(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    assert "is no file of the bundle" in refusal_of(folder)
    (folder / name).unlink()
    (folder / name).mkdir()
    refusal_of(folder)


def test_a_link_within_the_folder_is_fine(folder):
    """As a mounted volume has them."""
    (folder / "data").mkdir()
    for name in ("bundle.json", "head.onnx"):
        (folder / name).rename(folder / "data" / name)
        (folder / name).symlink_to(f"data/{name}")
    read_bundle(folder)
