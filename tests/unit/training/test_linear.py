"""Linear heads against scikit-learn's own classifiers on the same statistics."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import scipy.special
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepsound.config import LdaSettings, LogisticSettings, TrainSettings
from deepsound.data.layout import Layout
from deepsound.errors import ParameterError
from deepsound.models.architectures import build_model
from deepsound.training.epochs import EpochRecorder
from deepsound.training.linear import fit_linear

SHAPE = (6, 5)
SETTINGS = {
    "lda": TrainSettings(feature="toy", architecture="lda", lda=LdaSettings(statistics=("mean", "max"))),
    "logistic": TrainSettings(
        feature="toy", architecture="logistic", logistic=LogisticSettings(statistics=("mean", "max"), c=0.3)
    ),
}
ESTIMATORS = {
    "lda": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    "logistic": lambda: LogisticRegression(C=0.3, max_iter=2000),
}


def make_data(genres, n=120, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.resize(genres, n)
    centres = 40 * np.random.default_rng(9).normal(size=(4, 5)) * [1, 0.1, 0.01, 1, 1]
    values = centres[truth][:, None] + rng.normal(size=(n, *SHAPE)) * [40, 4, 0.4, 40, 40]
    return values.astype(np.float32), truth


def statistics_of(values):
    return np.concatenate([values.mean(axis=1), values.max(axis=1)], axis=1)


def fit(architecture, train, validation=None, *, n_genres=4, weights=None):
    settings = SETTINGS[architecture]
    model = build_model(settings.networks, layout=Layout((SHAPE,)), n_genres=n_genres)
    recorder = EpochRecorder(lambda *_: None)
    weights = np.ones(len(train[1])) if weights is None else weights
    fit_linear(model, settings.networks[0], train, validation, recorder=recorder, weights=weights)
    return model, recorder


@pytest.mark.parametrize("architecture", SETTINGS)
def test_no_more_segments_than_genres_are_refused(architecture):
    for genres in ([0, 1, 2], [0, 0, 0]):
        values, truth = make_data(genres, n=3)
        with pytest.raises(ParameterError, match=r"3 segments of \d.* average_with=\[\]"):
            fit(architecture, (values, truth))


@pytest.mark.parametrize("architecture", SETTINGS)
@pytest.mark.parametrize("genres", [[0, 1, 2, 3], [1, 3]])
def test_the_probabilities_of_scikit_learn(architecture, genres):
    train, other = make_data(genres), make_data(genres, seed=1)
    model, _ = fit(architecture, train)
    expected = make_pipeline(StandardScaler(), ESTIMATORS[architecture]()).fit(statistics_of(train[0]), train[1])
    probabilities = scipy.special.softmax(np.asarray(model(other[0])), axis=1)
    np.testing.assert_allclose(
        probabilities[:, genres], expected.predict_proba(statistics_of(other[0])), atol=2e-3
    )
    assert (expected.predict(statistics_of(other[0])) == other[1]).mean() > 0.5


@pytest.mark.parametrize("architecture", SETTINGS)
def test_the_statistics_of_several_features_are_joined(architecture):
    genres, shape = [0, 1, 2, 3], (2, 3)
    layout = Layout((SHAPE, shape))

    def make_both(seed):
        values, truth = make_data(genres, seed=seed)
        return [
            values,
            np.random.default_rng(seed + 5).normal(size=(len(truth), *shape)).astype(np.float32),
        ], truth

    (train, truth), (other, _) = make_both(0), make_both(1)
    network = SETTINGS[architecture].networks[0]
    model = build_model([network, replace(network, statistics=("min",))], layout=layout, n_genres=4)
    fit_linear(
        model,
        network,
        (layout.join(train), truth),
        None,
        recorder=EpochRecorder(lambda *_: None),
        weights=np.ones(len(truth)),
    )
    statistics, of_other = (
        np.concatenate([statistics_of(first), second.min(axis=1)], axis=1) for first, second in (train, other)
    )
    expected = make_pipeline(StandardScaler(), ESTIMATORS[architecture]()).fit(statistics, truth)
    found = scipy.special.softmax(np.asarray(model(layout.join(other))), axis=1)
    np.testing.assert_allclose(found, expected.predict_proba(of_other), atol=2e-3)


@pytest.mark.parametrize("architecture", SETTINGS)
def test_a_genre_that_training_lacks_is_never_the_answer(architecture):
    model, _ = fit(architecture, make_data([0, 2, 3]))
    far = np.random.default_rng(2).normal(size=(500, *SHAPE)).astype(np.float32) * 1000
    logits = np.asarray(model(far))
    assert np.isfinite(logits).all()
    assert set(logits.argmax(axis=1)) <= {0, 2, 3}


def test_segments_count_as_much_as_they_are_said_to():
    values, truth = make_data([0, 1, 2, 3])
    weights = np.where(truth == 0, 3.0, 1.0)
    model, _ = fit("logistic", (values, truth), weights=weights)
    repeated = np.repeat(np.arange(len(truth)), weights.astype(int))
    scaler = StandardScaler().fit(statistics_of(values))
    expected = LogisticRegression(C=0.3, max_iter=2000).fit(
        scaler.transform(statistics_of(values))[repeated], truth[repeated]
    )
    found = scipy.special.softmax(np.asarray(model(values)), axis=1)
    np.testing.assert_allclose(found, expected.predict_proba(scaler.transform(statistics_of(values))), atol=2e-3)


@pytest.mark.parametrize("architecture", SETTINGS)
def test_its_figures_are_keras_own(architecture):
    train, validation = make_data([0, 1, 2, 3]), make_data([0, 1, 2, 3], seed=1)
    model, recorder = fit(architecture, train, validation)
    (figures,) = recorder.history
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for prefix, (values, truth) in (("", train), ("val_", validation)):
        logits = model(values, training=False)
        assert figures[f"{prefix}loss"] == pytest.approx(float(loss(truth, logits)), rel=1e-4, abs=1e-6)
        assert figures[f"{prefix}accuracy"] == (np.asarray(logits).argmax(axis=1) == truth).mean()
    assert recorder.best_epoch == 0
