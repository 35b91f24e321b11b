"""The scorecard of a training run: one HTML page that says how good the model is, and how that is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

import deepsound
from deepsound.config import SPLIT_NAMES, TrainSettings
from deepsound.credentials import hide_credentials, without_credentials
from deepsound.evaluation.examples import Examples
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.evaluation.reliability import Reliability
from deepsound.evaluation.render.html.confidence import confidence_section
from deepsound.evaluation.render.html.page import Page, Section, render_page
from deepsound.evaluation.render.html.picks import find_picks
from deepsound.evaluation.render.html.sections import (
    audit_section,
    confusion_section,
    curves_section,
    facts_section,
    folds_section,
    genre_section,
    headline_of,
    listen_section,
    map_section,
)
from deepsound.evaluation.render.html.slices import slices_section
from deepsound.evaluation.render.text import describe_accuracy
from deepsound.evaluation.render.wording import sentence
from deepsound.evaluation.slices import Slices
from deepsound.models.bundle import Bundle
from deepsound.settings import flatten, to_command, to_plain
from deepsound.training.baseline import Baseline
from deepsound.training.crossval import CrossValidation
from deepsound.training.dataset import Dataset
from deepsound.training.fit import FittedHead
from deepsound.training.predictions import LabelledPredictions, TrackPredictions
from deepsound.training.promotion import Promotion
from deepsound.training.provenance import compute_code_fingerprint, library_versions
from deepsound.training.registry import model_name


@dataclass(frozen=True, kw_only=True)
class TrainingOutcome:
    """All that a training run came to, before it is registered.

    ``predictions`` and ``test`` are of its test tracks, ``examples`` and ``slices`` of those of the headline.
    """

    run_id: str
    features: str
    settings: TrainSettings
    dataset: Dataset
    grouping: str
    fitted: FittedHead
    predictions: TrackPredictions
    test: CollectionMetrics
    examples: Examples
    slices: Slices
    folds: CrossValidation | None
    baseline: Baseline | None
    bundle: Bundle
    promotion: Promotion

    @property
    def judged(self) -> LabelledPredictions:
        """The tracks of the headline."""
        return self.folds or self.predictions

    @property
    def headline(self) -> CollectionMetrics:
        """Out-of-fold where there are folds, else of the test tracks."""
        return self.test if self.folds is None else self.folds.pooled

    @property
    def headline_tracks(self) -> str:
        """Which tracks the headline is of, in words."""
        return "held-out test tracks" if self.folds is None else "tracks, each held out once,"


def build_scorecard(outcome: TrainingOutcome) -> str:
    """The page, as HTML."""
    settings, dataset = outcome.settings, outcome.dataset
    n_genres, n_tracks = len(dataset.taxonomy), dataset.split.num_rows
    reliabilities = _reliabilities(outcome)
    badges = [
        (outcome.grouping, "plain"),
        ("leaks allowed", "bad") if dataset.audit.leaks else ("no leak found", "good"),
        ("champion", "good") if outcome.promotion.is_promoted else ("not champion", "plain"),
    ]
    page = Page(
        title=f"{settings.feature}, {settings.architecture}: a genre model of {n_genres} genres",
        subtitle=f"{n_tracks} tracks of {outcome.features}; {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        headline=headline_of(outcome.headline, what=outcome.headline_tracks, remarks=_remarks(outcome)),
        badges=tuple(badges),
        sections=tuple(_sections(outcome, reliabilities)),
        examples=outcome.examples,
        picks=find_picks(outcome.examples, reliability=list(reliabilities.values())[-1], slices=outcome.slices),
        footer=f"deepsound {deepsound.__version__}, MLflow run {outcome.run_id}. Intervals are 95 %: Wilson's, at "
        "the number of independent tracks that vary as much as the artists do.",
    )
    return render_page(page)


def _remarks(outcome: TrainingOutcome) -> list[str]:
    remarks = []
    if outcome.folds is not None:
        remarks.append(sentence(outcome.folds.describe_spread()))
        remarks.append(f"This very model on the test tracks: {describe_accuracy(outcome.test)}")
    if outcome.baseline is not None:
        remarks.append(sentence(outcome.baseline.describe()))
    return [*remarks, sentence(outcome.promotion.describe())]


def _sections(outcome: TrainingOutcome, reliabilities: Mapping[str, Reliability]) -> list[Section]:
    temperature = outcome.fitted.head.spec.temperature
    sections = [genre_section(outcome.headline), confusion_section(outcome.headline)]
    if outcome.folds is not None:
        sections.append(_folds(outcome.folds, outcome.settings))
    return [
        *sections,
        confidence_section(
            reliabilities,
            note=" Each fold has a temperature of its own."
            if outcome.folds is not None
            else f" After: with the temperature {temperature:.2f}, set on validation tracks.",
        ),
        curves_section(outcome.fitted.history, best_epoch=outcome.fitted.best_epoch),
        *filter(None, [slices_section(outcome.slices)]),
        listen_section(
            outcome.examples,
            n_wrong=int((~outcome.judged.is_right).sum()),
            note="" if outcome.folds is None else " Segments are those of test tracks, by the model itself.",
        ),
        *filter(None, [map_section(outcome.examples)]),
        audit_section(outcome.dataset.audit, grouping=outcome.grouping),
        _provenance(outcome),
    ]


def _reliabilities(outcome: TrainingOutcome) -> dict[str, Reliability]:
    """Of the headline's tracks by name, the last to go by; folds have a temperature each, from the start."""
    if outcome.folds is not None and (pooled := outcome.folds.evaluate().reliability) is not None:
        return {"out-of-fold": pooled}
    return dict(zip(("before", "after"), outcome.predictions.reliabilities, strict=True))


def _folds(folds: CrossValidation, settings: TrainSettings) -> Section:
    pooled = folds.pooled
    return folds_section(
        folds.fold_accuracies.tolist(),
        np.bincount(folds.fold_indices).tolist(),
        pooled=pooled.accuracy or 0.0,
        interval=(pooled.accuracy_low or 0.0, pooled.accuracy_high or 0.0),
        what="tracks of one artist" if settings.split.by == "artist" else "segments of one track",
    )


def _provenance(outcome: TrainingOutcome) -> Section:
    dataset, settings = outcome.dataset, outcome.settings
    sizes = ", ".join(f"{len(getattr(dataset, name).genre_indices)} {name}" for name in SPLIT_NAMES)
    made_by = without_credentials(to_plain(settings))
    extracted_by = without_credentials(dataset.summary.settings)
    facts = {
        "tracks": f"{sizes}; {dataset.n_left_out} left out",
        "features": f"{settings.feature}, {outcome.fitted.head.spec.layout.describe()} a segment",
        "network": hide_credentials(dataset.summary.network_of(*settings.features) or "none"),
        "data fingerprint": dataset.fingerprint,
        "feature fingerprint": dataset.summary.fingerprint_of(*settings.features),
        "code fingerprint": compute_code_fingerprint(),
        "run": outcome.run_id,
        "model": f"{model_name(settings.feature)}, the version of this run",
    }
    folded = {
        "Settings of the training": {key: str(value) for key, value in flatten(made_by).items()},
        "Settings of the extraction": {key: str(value) for key, value in flatten(extracted_by).items()},
        "Versions": {"deepsound": deepsound.__version__, **library_versions()},
    }
    folded = {name: pairs for name, pairs in folded.items() if pairs}
    return facts_section("Reproduce", facts, folded=folded, command=train_command(outcome.features, settings))


def train_command(features: str, settings: TrainSettings) -> str:
    """What trains the same, with what differs from the defaults of the feature and the architecture."""
    suited = TrainSettings(feature=settings.feature, architecture=settings.architecture).resolved()
    plain = TrainSettings()
    default = {**to_plain(suited), "feature": plain.feature, "architecture": plain.architecture}
    decisive = {
        name: value for name, value in to_plain(settings).items() if name not in (*settings.idle, "search")
    }
    return to_command(["train", "--features", features], without_credentials(decisive), default=default)
