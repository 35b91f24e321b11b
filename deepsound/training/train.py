"""One training run from a FEATURES folder to a registered champion."""

import pathlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from deepsound.config import SPLIT_NAMES, TrainSettings
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.evaluation.pictures import describe_accuracy, draw_confusion, draw_learning_curves
from deepsound.evaluation.report import format_per_genre, headline_numbers, per_genre_rows
from deepsound.models.bundle import Bundle, write_bundle
from deepsound.models.head import load_head
from deepsound.settings import to_plain
from deepsound.training import tracking
from deepsound.training.dataset import Dataset, load_dataset
from deepsound.training.drift_reference import build_drift_reference
from deepsound.training.fit import EpochReporter, FittedHead, evaluate_head, fit_head, save_keras


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a training run came to. ``test`` are the metrics of its held-out tracks."""

    run_id: str
    model: tracking.RegisteredModel
    test: CollectionMetrics
    n_epochs: int


def train(features: str, *, settings: TrainSettings, report: Callable[[str], None]) -> TrainResult:
    """Train, evaluate on the held-out tracks, log one MLflow run, register and promote.

    Parameters
    ----------
    features : str
        A FEATURES folder: a path, or a URI that pyarrow opens.
    report : callable
        Gets one line of progress at a time.

    Raises
    ------
    DeepsoundError
        Before a run is started if the data do not allow training; see :func:`load_dataset`.
    """
    settings = settings.resolved()
    dataset = load_dataset(features, settings=settings, report=report)
    report(_describe_data(dataset, settings))
    tracking.open_store()
    name = f"train-{settings.feature}-{settings.architecture}"
    with tracking.start_run(name, tags=_tags(dataset, settings), settings=to_plain(settings)) as run_id:
        _log_data(dataset, features)
        fitted = fit_head(dataset, settings=settings, report_epoch=_epoch_reporter(settings, report))
        head = load_head(fitted.head)
        validation = evaluate_head(head, dataset.validation, taxonomy=dataset.taxonomy)
        test = evaluate_head(head, dataset.test, taxonomy=dataset.taxonomy)
        _log_results(fitted, dataset, validation=validation, test=test, settings=settings)
        bundle = _make_bundle(fitted, dataset, features, validation=validation, settings=settings, run_id=run_id)
        model = _log_bundle(bundle, fitted)
        report(f"out-of-distribution: {fitted.ood.describe()}")
    report(f"test tracks: {describe_accuracy(test)}")
    return TrainResult(run_id=run_id, model=model, test=test, n_epochs=len(fitted.history))


def _describe_data(dataset: Dataset, settings: TrainSettings) -> str:
    sizes = ", ".join(f"{len(getattr(dataset, name).genre_indices)} {name}" for name in SPLIT_NAMES)
    left_out = f"; {dataset.n_left_out} tracks without a usable label left out" if dataset.n_left_out else ""
    leaks = f"; {len(dataset.leaks)} LEAKS allowed" if dataset.leaks else ""
    grouping = _describe_grouping(dataset, settings)
    return f"{settings.feature}: {len(dataset.taxonomy)} genres, tracks: {sizes}; {grouping}{left_out}{leaks}"


def _describe_grouping(dataset: Dataset, settings: TrainSettings) -> str:
    """How far the split can be trusted, in words."""
    n_unknown = dataset.split["artist"].null_count
    if settings.split.by == "track":
        return "split by track"
    if n_unknown == dataset.split.num_rows:
        return "split by track, as no artist is known: the figures may flatter"
    if n_unknown:
        return f"split by artist, {n_unknown} tracks of unknown artist by track"
    return "split by artist"


def _tags(dataset: Dataset, settings: TrainSettings) -> dict[str, str]:
    return {
        "deepsound.job": "train",
        "deepsound.feature": settings.feature,
        "deepsound.architecture": settings.architecture,
        "deepsound.data_fingerprint": dataset.fingerprint,
        "deepsound.feature_fingerprint": dataset.summary.fingerprint_of(settings.feature),
        "deepsound.network": dataset.summary.network_of(settings.feature) or "none",
        "deepsound.leaks_allowed": str(bool(dataset.leaks)).lower(),
        "deepsound.split": _describe_grouping(dataset, settings),
    }


def _epoch_reporter(settings: TrainSettings, report: Callable[[str], None]) -> EpochReporter:
    def report_epoch(epoch: int, figures: dict[str, float]) -> None:
        tracking.log_metrics(figures, step=epoch)
        if epoch % 5 == 0:
            report(
                f"epoch {epoch + 1}/{settings.epochs}: loss {figures['loss']:.3f}, "
                f"validation loss {figures['val_loss']:.3f}, accuracy {figures['val_accuracy']:.2f}"
            )

    return report_epoch


def _log_data(dataset: Dataset, features: str) -> None:
    tracking.log_params({"features_folder": features, "genres_used": ", ".join(dataset.taxonomy.genres)})
    tracking.log_rows(dataset.split.to_pylist(), "split.json")


def _log_results(
    fitted: FittedHead,
    dataset: Dataset,
    *,
    validation: CollectionMetrics,
    test: CollectionMetrics,
    settings: TrainSettings,
) -> None:
    title = f"{settings.feature} {settings.architecture}"
    tracking.log_metrics(headline_numbers(validation), prefix="validation_")
    tracking.log_metrics(headline_numbers(test), prefix="test_")
    tracking.log_metrics({"temperature": fitted.head.spec.temperature, "best_epoch": fitted.best_epoch})
    tracking.log_metrics({f"ood_threshold_{name}": value for name, value in fitted.ood.thresholds.items()})
    tracking.log_figure(draw_confusion(test, title=f"{title}: test tracks"), "confusion_matrix.png")
    curves = draw_learning_curves(fitted.history, best_epoch=fitted.best_epoch, title=title)
    tracking.log_figure(curves, "learning_curves.png")
    tracking.log_rows(per_genre_rows(test), "per_genre.json")
    table = format_per_genre(per_genre_rows(test))
    tracking.describe_run(
        f"**{title}** on held-out test tracks: **{describe_accuracy(test)}** (95 % Wilson interval)\n\n"
        f"{_describe_data(dataset, settings)}\n\n```\n{table}\n```\n"
    )


def _make_bundle(
    fitted: FittedHead,
    dataset: Dataset,
    features: str,
    *,
    validation: CollectionMetrics,
    settings: TrainSettings,
    run_id: str,
) -> Bundle:
    return Bundle(
        head=fitted.head,
        feature=settings.feature,
        feature_fingerprint=dataset.summary.fingerprint_of(settings.feature),
        network=dataset.summary.network_of(settings.feature),
        extract_settings=dataset.summary.settings,
        ood=fitted.ood,
        validation_confusion=validation.confusion,
        drift=build_drift_reference(features, dataset, feature=settings.feature, confidences=fitted.confidences),
        train_settings=to_plain(settings),
        data_fingerprint=dataset.fingerprint,
        run_id=run_id,
        split=dataset.split,
    )


def _log_bundle(bundle: Bundle, fitted: FittedHead) -> tracking.RegisteredModel:
    with tempfile.TemporaryDirectory(prefix="deepsound-") as scratch:
        weights = pathlib.Path(scratch) / "model.keras"
        save_keras(fitted.model, weights)
        folder = pathlib.Path(scratch) / "bundle"
        write_bundle(bundle, folder=folder, keras_weights=weights)
        return tracking.log_model(folder, feature=bundle.feature, shape=bundle.head.spec.shape)
