"""Pictures of results, by matplotlib's object interface: no global figure or backend is touched."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepsound.evaluation.metrics import CollectionMetrics


def draw_confusion(metrics: CollectionMetrics, *, title: str) -> Figure:
    """Confusion matrix: tracks as numbers, share of the true genre as colour.

    Parameters
    ----------
    metrics : CollectionMetrics
        Rows true, columns predicted, in taxonomy order.
    title : str
        What was scored; the headline figure is added.
    """
    return draw_confusions({title: metrics})


def draw_confusions(metrics_by_title: Mapping[str, CollectionMetrics]) -> Figure:
    """Confusion matrices side by side, as :func:`draw_confusion` draws one; on the same taxonomy."""
    n_genres = max(len(metrics.per_genre) for metrics in metrics_by_title.values())
    size = 2.6 + 0.48 * n_genres
    figure = Figure(figsize=(size * len(metrics_by_title), size), layout="constrained", dpi=110)
    all_axes = figure.subplots(1, len(metrics_by_title), squeeze=False)[0]
    for axes, (title, metrics) in zip(all_axes, metrics_by_title.items(), strict=True):
        _draw_confusion_on(axes, metrics)
        axes.set_title(f"{title}\n{describe_accuracy(metrics)}", fontsize=10)
    return figure


def _draw_confusion_on(axes: Axes, metrics: CollectionMetrics) -> None:
    genres = [line.genre for line in metrics.per_genre]
    n_true = metrics.confusion.sum(axis=1, keepdims=True)
    shares = metrics.confusion / np.maximum(n_true, 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(metrics.confusion > 0):
        colour = "white" if shares[row, column] > 0.55 else "black"
        axes.text(column, row, str(metrics.confusion[row, column]), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(genres)), genres, rotation=45, ha="right")
    axes.set_yticks(range(len(genres)), [f"{g} ({n})" for g, n in zip(genres, n_true[:, 0], strict=True)])
    axes.set_xlabel("predicted genre")
    axes.set_ylabel("true genre (tracks)")


def draw_learning_curves(history: Sequence[Mapping[str, float]], *, best_epoch: int, title: str) -> Figure:
    """Loss and accuracy per epoch, training against validation.

    Parameters
    ----------
    history : sequence of mappings
        One per epoch, with ``loss``, ``val_loss``, ``accuracy``, ``val_accuracy``.
    best_epoch : int
        The epoch (from 0) whose weights were kept; marked.
    """
    figure = Figure(figsize=(8.5, 3.4), layout="constrained", dpi=110)
    epochs = range(len(history))
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [epoch[name] for epoch in history], label="training segments")
        axes.plot(epochs, [epoch[f"val_{name}"] for epoch in history], label="validation segments")
        axes.axvline(best_epoch, color="grey", linestyle=":", label="weights kept")
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def draw_predicted_genres(genres: Sequence[str], counts: Sequence[int], *, title: str) -> Figure:
    """How many tracks were predicted as each genre: what there is to see of an unlabelled collection."""
    figure = Figure(figsize=(6, 0.9 + 0.32 * len(genres)), layout="constrained", dpi=110)
    axes = figure.subplots()
    bars = axes.barh(range(len(genres)), counts)
    axes.bar_label(bars, padding=3)
    axes.set_yticks(range(len(genres)), genres)
    axes.invert_yaxis()
    axes.set_xlabel("tracks predicted")
    axes.set_title(title, fontsize=10)
    return figure


def describe_accuracy(metrics: CollectionMetrics) -> str:
    """``accuracy 0.82 [0.69, 0.90] on 49 tracks``, or that nothing was labelled."""
    if metrics.accuracy is None:
        return "no labelled track, so no accuracy"
    interval = f"[{metrics.accuracy_low:.2f}, {metrics.accuracy_high:.2f}]"
    return f"accuracy {metrics.accuracy:.2f} {interval} on {metrics.n_labelled} tracks"
