"""The logged model: what a client of MLflow gets, also from models that earlier versions have logged."""

import pathlib

import mlflow
import numpy as np
import pytest

from deepsound.models.bundle import read_bundle, write_bundle
from deepsound.models.head import load_head
from deepsound.models.rows import NOT_FINITE
from deepsound.training import mlflow_store, pyfunc_model, registry

BUNDLES = pathlib.Path(__file__).parents[2] / "data" / "bundles"
LOGGED_BEFORE = BUNDLES / "logged_pyfunc.py"
GENRES = ["high", "low", "noise"]
SEGMENTS = np.random.default_rng(0).normal(size=(4, 4, 3)).astype(np.float32)


@pytest.fixture
def folder(tiny_bundle, tmp_path):
    (tmp_path / "w.keras").write_bytes(b"weights")
    write_bundle(tiny_bundle, folder=tmp_path / "bundle", keras_weights=tmp_path / "w.keras")
    return tmp_path / "bundle"


@pytest.fixture
def logged(folder, tmp_path, monkeypatch):
    """As it is registered, and with it what was given to MLflow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPSOUND_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    former = mlflow.get_tracking_uri()
    mlflow_store.open_store()
    with mlflow.start_run():
        yield registry.register(folder)
    mlflow.set_tracking_uri(former)


def check(table, bundle, *, rows=(0, 1, 2, 3)):
    """That these rows are what the head says of these segments."""
    scores = load_head(bundle.head).score(SEGMENTS[list(rows)], ood_scores=["energy"])
    table = table.iloc[list(rows)]
    np.testing.assert_array_equal(table[[f"p_{name}" for name in GENRES]], scores.probabilities)
    np.testing.assert_array_equal(table["confidence"], scores.probabilities.max(axis=1))
    np.testing.assert_array_equal(table["ood_score"], scores.ood["energy"])
    assert table["predicted_genre"].tolist() == [GENRES[i] for i in scores.probabilities.argmax(axis=1)]


def test_a_logged_model_is_the_bundle_and_nothing_else(logged, folder, tiny_bundle, tmp_path):
    downloaded = pathlib.Path(mlflow.artifacts.download_artifacts(logged.uri, dst_path=str(tmp_path / "model")))
    names = {path.relative_to(downloaded).as_posix() for path in downloaded.rglob("*") if path.is_file()}
    bundle = {f"data/{folder.name}/{path.relative_to(folder).as_posix()}" for path in folder.iterdir()}
    environment = {"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"}
    assert names - {"registered_model_meta"} == bundle | environment
    model = mlflow.pyfunc.load_model(logged.uri)
    table = model.predict(SEGMENTS)
    check(table, tiny_bundle)
    assert table["reason"].tolist() == [None] * 4
    assert [column.name for column in model.metadata.get_output_schema().inputs] == table.columns.tolist()
    assert registry.load_bundle(logged.uri).head == tiny_bundle.head


def test_the_output_is_what_the_signature_says(logged):
    schema = mlflow.pyfunc.load_model(logged.uri).metadata.get_output_schema()
    types = {column.name: column.type.name for column in schema.inputs}
    numbers = ["confidence", "ood_score", *(f"p_{name}" for name in GENRES)]
    assert types == {"predicted_genre": "string", **dict.fromkeys(numbers, "double"), "reason": "string"}
    assert not any(column.required for column in schema.inputs), "of a row that cannot be scored there are none"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_segment_that_is_not_finite_is_a_row_with_a_reason(tiny_bundle, value):
    segments = SEGMENTS.copy()
    segments[1, 2, 0] = value
    table = pyfunc_model.GenreModel(tiny_bundle).predict(segments)
    check(table, tiny_bundle, rows=[0, 2, 3])
    assert table["reason"].tolist() == [None, NOT_FINITE, None, None]
    assert table.drop(columns="reason").iloc[1].isna().all()


def test_several_features_are_one_array_and_any_of_them_may_not_be_finite():
    bundle = read_bundle(BUNDLES / "v3")
    toy, tune = (np.random.default_rng(n).normal(size=(3, n)).astype(np.float32) for n in (12, 6))
    segments = np.concatenate([toy, tune], axis=1)[:, np.newaxis]
    (tensor,) = pyfunc_model.signature_of(bundle).inputs.inputs
    assert tensor.shape == (-1, *segments.shape[1:])
    expected = load_head(bundle.head).score(segments).probabilities
    segments[1, 0, 15] = np.nan
    table = pyfunc_model.GenreModel(bundle).predict(segments)
    assert table["reason"].tolist() == [None, NOT_FINITE, None]
    names = [f"p_{genre}" for genre in bundle.taxonomy.genres]
    np.testing.assert_allclose(table[names].iloc[[0, 2]], expected[[0, 2]], atol=1e-6)


def test_nothing_to_predict(tiny_bundle):
    table = pyfunc_model.GenreModel(tiny_bundle).predict(SEGMENTS[:0])
    assert table.columns.tolist() == [
        *("predicted_genre", "confidence", "ood_score"),
        *(f"p_{name}" for name in GENRES),
        "reason",
    ]
    assert len(table) == 0


def test_a_model_that_an_earlier_version_has_logged(folder, tiny_bundle, tmp_path):
    mlflow.pyfunc.save_model(
        tmp_path / "model",
        python_model=str(LOGGED_BEFORE),
        artifacts={"bundle": str(folder)},
        pip_requirements=["mlflow>=3"],
    )
    check(mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(SEGMENTS), tiny_bundle)
