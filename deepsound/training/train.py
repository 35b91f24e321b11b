"""One training run from a FEATURES folder to a registered model, and perhaps a new champion."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

from deepsound.config import SPLIT_NAMES, TrainSettings
from deepsound.credentials import hide_credentials
from deepsound.data.store import read_known_tracks, read_summary
from deepsound.evaluation.examples import add_clips
from deepsound.evaluation.leakage import leak_rows
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.evaluation.render.text import describe_accuracy
from deepsound.evaluation.report import Report as Figures
from deepsound.evaluation.slices import SLICE_COLUMNS, find_slices, join_columns
from deepsound.models.bundle import Bundle
from deepsound.models.compatibility import take_feature
from deepsound.models.head import load_head
from deepsound.settings import to_plain
from deepsound.training import lineage, mlflow_store, registry, tracking
from deepsound.training.baseline import Baseline, measure_baseline
from deepsound.training.crossval import CrossValidation, cross_validate, plan_folds
from deepsound.training.dataset import Dataset, load_dataset
from deepsound.training.drift_reference import build_drift_reference
from deepsound.training.examples import find_examples
from deepsound.training.finetune import prepare_pretrained
from deepsound.training.finished_run import (
    describe_version,
    kept_until_logged,
    log_finished,
    write_finished,
    write_record,
)
from deepsound.training.fit import FittedHead, fit_head
from deepsound.training.mlflow_store import can_log_system_metrics
from deepsound.training.predictions import predict_tracks
from deepsound.training.promotion import Promotion, decide_promotion
from deepsound.training.provenance import compute_code_fingerprint
from deepsound.training.registry import RegisteredModel
from deepsound.training.run_log import SCORECARD, LiveCurves, build_record
from deepsound.training.scorecard import TrainingOutcome

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a training run came to.

    ``headline`` are the metrics of all tracks by the models of the folds, and without folds ``test``: those of the
    test tracks. ``report`` is all that these tracks say, ``page`` the scorecard.
    """

    run_id: str
    model: RegisteredModel
    bundle: Bundle
    headline: CollectionMetrics
    report: Figures
    page: str
    test: CollectionMetrics
    n_epochs: int
    folds: CrossValidation | None
    baseline: Baseline | None
    promotion: Promotion


def train(features: str, *, settings: TrainSettings, report: Report, promote: bool = False) -> TrainResult:
    """Train, evaluate on the held-out tracks, log one MLflow run, register, and promote what is better.

    ``promote`` makes it the champion whatever comes out; see :mod:`deepsound.training.promotion`. Raises
    DeepsoundError, before a run is started, if the data do not allow training or the MLflow store or registry
    cannot be reached.
    """
    settings = settings.resolved()
    # In the order of what it costs to find out: a typing error, an absent server, the data.
    read_summary(features).layout_of(*settings.features)
    mlflow_store.open_store()
    champion = registry.find_champion(settings.feature)
    registry.check_may_register(settings.feature)
    dataset = load_dataset(features, settings=settings, report=report)
    report(describe_data(dataset, settings))
    plan = plan_folds(dataset, settings=settings, report=report)
    dataset = dataset.with_leaks(plan.leaks)
    if settings.pretrained:
        prepare_pretrained(settings.pretrained, shape=dataset.train.values.shape[1:], report=report)
    name = settings.name_run(dataset.summary.name_collection(features))
    tags, plain = _tags(dataset, settings), to_plain(settings)
    with tracking.start_run(
        name,
        tags=tags,
        settings=plain,
        idle=settings.idle,
        has_system_metrics=can_log_system_metrics(),
    ) as run_id:
        _log_data(dataset, features, feature=settings.feature)
        curves = LiveCurves(report, max_epochs=settings.max_epochs)
        decide = functools.partial(decide_promotion, dataset=dataset, is_asked_for=promote)
        outcome = _learn(
            dataset,
            features,
            settings=settings,
            run_id=run_id,
            n_folds=plan.n_folds,
            curves=curves,
            decide=functools.partial(decide, champion=champion),
            report=report,
        )
        model, outcome, page = _publish(outcome, curves, champion=champion, decide=decide, report=report)
    for line in _describe_outcome(outcome):
        report(line)
    report(f"{model.name} version {model.version} {outcome.promotion.describe()}")
    return TrainResult(
        run_id=run_id,
        model=model,
        bundle=outcome.bundle,
        headline=outcome.headline,
        report=outcome.judged.evaluate(),
        page=page,
        test=outcome.test,
        n_epochs=len(outcome.fitted.history),
        folds=outcome.folds,
        baseline=outcome.baseline,
        promotion=outcome.promotion,
    )


def _learn(
    dataset: Dataset,
    features: str,
    *,
    settings: TrainSettings,
    run_id: str,
    n_folds: int,
    curves: LiveCurves,
    decide: Callable[[Bundle], Promotion],
    report: Report,
) -> TrainingOutcome:
    """Cross-validate, fit the model itself, and hold it against the baseline and the champion."""
    folds = None
    if n_folds:
        folds = cross_validate(dataset.collect(), settings=settings, n_folds=n_folds, report=report)
    fitted = fit_head(dataset, settings=settings, report_epoch=curves.log)
    test_ids = [row["track_id"] for row in dataset.split.to_pylist() if row["split"] == "test"]
    head = load_head(fitted.head)
    predictions = predict_tracks(head, dataset.test, track_ids=test_ids)
    judged = (folds or predictions).to_table()
    examples = find_examples(
        judged, predictions=predictions, head=head, rule=fitted.ood, dataset=dataset, features=features
    )
    judged = join_columns(judged, read_known_tracks(features, columns=SLICE_COLUMNS))
    bundle = _make_bundle(fitted, dataset, features, settings=settings, run_id=run_id, folds=folds)
    return TrainingOutcome(
        run_id=run_id,
        features=hide_credentials(features),
        settings=settings,
        dataset=dataset,
        grouping=_describe_grouping(dataset, settings),
        fitted=fitted,
        predictions=predictions,
        test=predictions.evaluate().metrics,
        examples=add_clips(examples, n_clips=settings.report.audio, extraction=dataset.summary.settings),
        slices=find_slices(judged, genres=predictions.genres),
        folds=folds,
        baseline=measure_baseline(dataset, settings=settings, folds=folds, test=predictions, report=report),
        bundle=bundle,
        promotion=decide(bundle),
    )


def _publish(
    outcome: TrainingOutcome,
    curves: LiveCurves,
    *,
    champion: RegisteredModel | None,
    decide: Callable[..., Promotion],
    report: Report,
) -> tuple[RegisteredModel, TrainingOutcome, str]:
    """Log what the run came to, register its model, and promote it, if that is what was decided; with its page.

    Another training of the same name may have put a champion there meanwhile; then it is decided again.
    """
    described = describe_data(outcome.dataset, outcome.settings)
    with kept_until_logged(outcome.run_id, report=report) as folder:
        record = build_record(outcome, described=described, curves=curves)
        write_finished(folder, outcome, record, outcome.bundle, former=champion)
        model = log_finished(folder)
        while outcome.promotion.is_promoted and not registry.promote(model, former=champion):
            champion = registry.find_champion(outcome.settings.feature)
            outcome = replace(outcome, promotion=decide(outcome.bundle, champion=champion))
            record = replace(build_record(outcome, described=described, curves=curves), curves=[])
            write_record(folder, outcome, record, former=champion)
            log_finished(folder)
        describe_version(folder, model, outcome.promotion)
    return model, outcome, record.files[SCORECARD].decode()


def _describe_outcome(outcome: TrainingOutcome) -> list[str]:
    """The figures, a line each, the headline first."""
    lines = [] if outcome.folds is None else [f"out-of-fold: {outcome.folds.describe()}"]
    lines.append(f"test tracks: {describe_accuracy(outcome.test)}")
    if outcome.baseline is not None:
        lines.append(outcome.baseline.describe())
    return [*lines, *outcome.slices.describe(), outcome.bundle.ood.describe()]


def describe_data(dataset: Dataset, settings: TrainSettings) -> str:
    """Genres, sizes of the splits and how far these can be trusted, in one line."""
    sizes = ", ".join(f"{len(getattr(dataset, name).genre_indices)} {name}" for name in SPLIT_NAMES)
    left_out = f"; {dataset.n_left_out} tracks without a usable label left out" if dataset.n_left_out else ""
    leaks = f"; {len(dataset.audit.leaks)} LEAKS allowed" if dataset.audit.leaks else ""
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
        "deepsound.feature_fingerprint": dataset.summary.fingerprint_of(*settings.features),
        "deepsound.code_fingerprint": compute_code_fingerprint(),
        "deepsound.network": _network_of(dataset, settings) or "none",
        "deepsound.leaks_allowed": str(bool(dataset.audit.leaks)).lower(),
        "deepsound.split": _describe_grouping(dataset, settings),
    }


def _network_of(dataset: Dataset, settings: TrainSettings) -> str | None:
    """Where the pretrained weights behind the model come from, be they in the feature or where training began."""
    return settings.pretrained or dataset.summary.network_of(*settings.features)


def _log_data(dataset: Dataset, features: str, *, feature: str) -> None:
    tracking.log_params({"features_folder": features, "genres_used": ", ".join(dataset.taxonomy.genres)})
    tracking.log_rows(dataset.split.to_pylist(), "split.json")
    for name, context in zip(SPLIT_NAMES, ("training", "validation", "test"), strict=True):
        lineage.log_input(lineage.describe_split(dataset, features, name, feature=feature), context=context)
    if dataset.audit.leaks:
        tracking.log_rows(leak_rows(dataset.audit.leaks), "leaks.json")


def _make_bundle(
    fitted: FittedHead,
    dataset: Dataset,
    features: str,
    *,
    settings: TrainSettings,
    run_id: str,
    folds: CrossValidation | None,
) -> Bundle:
    summary, pretrained = dataset.summary, settings.pretrained
    return Bundle(
        head=fitted.head,
        features=tuple(take_feature(summary, name, network=pretrained) for name in settings.features),
        extract_settings=summary.settings,
        ood=fitted.ood,
        drift=build_drift_reference(features, dataset, feature=settings.feature, confidences=fitted.confidences),
        train_settings=to_plain(settings),
        data_fingerprint=dataset.fingerprint,
        run_id=run_id,
        split=dataset.split_as_learned(is_refitted=fitted.is_refitted),
        out_of_fold=None if folds is None else folds.to_table(),
    )
