"""Heads that scikit-learn fits in a moment: discriminant analysis and logistic regression on statistics over time.

What it finds are a matrix and a bias, which become the last layer of a head like any other; nothing of
scikit-learn's is kept.
"""

import keras
import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from deepsound.config import Lda, Logistic
from deepsound.errors import ParameterError
from deepsound.training.epochs import EpochRecorder, Labelled
from deepsound.training.outputs import compute_logits, compute_penultimate

# How far a genre that training has no track of lies below the least likely one: it is never the answer.
_UNSEEN = 10.0
_MAX_ITERATIONS = 2000


def fit_linear(
    model: keras.Model,
    network: Lda | Logistic,
    train: Labelled,
    validation: Labelled | None,
    *,
    recorder: EpochRecorder,
    weights: np.ndarray,
) -> None:
    """Set the last layer of a model to what scikit-learn finds; takes the place of training in epochs.

    ``weights`` [shape=(n_segments,)] say how much each training segment counts; discriminant analysis knows none
    and takes them alike. Raises ParameterError if there are no more segments than genres: nothing is known of
    their spread.
    """
    n_segments, n_present = len(train[1]), len(np.unique(train[1]))
    if n_segments <= n_present or n_present < 2:
        raise ParameterError(
            f"a linear head needs two genres and more segments than genres to learn from; there are {n_segments} "
            f"segments of {n_present}. Use more tracks, or another architecture with average_with=[]"
        )
    statistics = compute_penultimate(model, train[0])
    # In one unit each: shrinkage and penalty would else weigh large numbers less.
    scaler = StandardScaler().fit(statistics)
    scaled = scaler.transform(statistics)
    if isinstance(network, Lda):
        found = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(scaled, train[1])
    else:
        regression = LogisticRegression(C=network.c, max_iter=_MAX_ITERATIONS)
        found = regression.fit(scaled, train[1], sample_weight=weights)
    kernel, bias = _spread(found.coef_, found.intercept_, found.classes_, n_genres=model.output_shape[-1])
    kernel = kernel / scaler.scale_[:, None]
    model.get_layer("logits").set_weights([kernel, bias - scaler.mean_ @ kernel])
    figures = dict(zip(("loss", "accuracy"), _measure(model, train), strict=True))
    if validation is not None:
        figures |= dict(zip(("val_loss", "val_accuracy"), _measure(model, validation), strict=True))
    recorder.record(figures)


def _spread(
    coefficients: np.ndarray, intercepts: np.ndarray, classes: np.ndarray, *, n_genres: int
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (n_statistics, n_genres) and bias (n_genres,), with a place for genres that training did not have."""
    if len(classes) == 2:
        # Of two, scikit-learn gives one, which says how much likelier the second is.
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        intercepts = np.concatenate([-intercepts / 2, intercepts / 2])
    kernel = np.repeat(coefficients.mean(axis=0)[:, None], n_genres, axis=1)
    bias = np.full(n_genres, intercepts.min() - _UNSEEN)
    kernel[:, classes], bias[classes] = coefficients.T, intercepts
    return kernel, bias


def _measure(model: keras.Model, data: Labelled) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of segments."""
    logits, truth = compute_logits(model, data[0]).astype(np.float64), data[1]
    likelihoods = logits[np.arange(len(truth)), truth] - np.logaddexp.reduce(logits, axis=1)
    return float(-likelihoods.mean()), float((logits.argmax(axis=1) == truth).mean())
