"""``deepsound benchmark``: every feature with every head under every protocol, each cell computed once."""

import contextlib
import pathlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import keras
import pyarrow as pa

import deepsound
from deepsound.config import BenchmarkSettings, TrainSettings
from deepsound.credentials import hide_credentials, without_credentials
from deepsound.data.folds import grouped_folds
from deepsound.data.store import read_summary
from deepsound.errors import LabelError, OutputError, first_line
from deepsound.evaluation.benchmark import PROTOCOL_NAMES, Benchmark, Cell, evaluate_benchmark
from deepsound.evaluation.evaluate import evaluate
from deepsound.evaluation.leakage import count_leaks
from deepsound.evaluation.render.benchmark import benchmark_to_csv, benchmark_to_json
from deepsound.evaluation.render.html.benchmark import benchmark_page
from deepsound.evaluation.render.plain import listed_numbers, per_genre_rows
from deepsound.evaluation.render.text import describe_accuracy
from deepsound.settings import compute_fingerprint, flatten, to_command, to_plain
from deepsound.training import mlflow_store, tracking
from deepsound.training.benchmark_cells import (
    CellStore,
    FeatureData,
    fingerprint_cell,
    predict_cell,
    read_feature,
)
from deepsound.training.held_file import holding

Report = Callable[[str], None]
# Names that mean the same as those of a training, where there is such a one.
_METRICS = {
    "segments": "random_segments/",
    "tracks": "random_tracks/",
    "artists": "folds/",
    "split": "test/",
    "foreign": "collection/",
}


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A benchmark before its first cell; ``fingerprint`` is of the settings and of both folders."""

    features: str
    foreign: str | None
    names: tuple[str, ...]
    settings: BenchmarkSettings
    fingerprint: str
    store: CellStore
    report: Report


def run_benchmark(
    features: str, *, settings: BenchmarkSettings, output: str, foreign: str | None = None, report: Report
) -> Benchmark:
    """Fill the table; what was computed before, of the same data and settings, is read.

    Of the ``foreign`` FEATURES, tracks of the same genres count. ``output`` is a folder, for ``benchmark.html``,
    ``.csv``, ``.json`` and ``cells/``. Raises DeepsoundError as :func:`~deepsound.training.dataset.load_dataset`,
    if the MLflow store cannot be reached, or if the output cannot be written to or another benchmark is writing to
    it.
    """
    folder = pathlib.Path(output)
    plan = _make_plan(features, foreign, settings, folder, report)
    mlflow_store.open_store()
    with contextlib.ExitStack() as stack:
        try:
            plan.store.folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(holding(plan.store.folder, wait=False))
        except BlockingIOError as exc:
            raise OutputError(f"another benchmark is writing to {folder}; wait, or name another folder") from exc
        except OSError as exc:
            raise OutputError(f"cannot write to {folder}: {first_line(exc)}") from exc
        return _run(plan, folder)


def _make_plan(
    features: str, foreign: str | None, settings: BenchmarkSettings, folder: pathlib.Path, report: Report
) -> _Plan:
    summaries = [read_summary(name) for name in (features, foreign) if name is not None]
    names = settings.features or tuple(sorted(summaries[0].features))
    settings.of_cells(names)
    declared = [{name: summary.fingerprint_of(*name.split("+")) for name in names} for summary in summaries]
    return _Plan(
        features=features,
        foreign=foreign,
        names=names,
        settings=settings,
        fingerprint=compute_fingerprint({"settings": to_plain(settings), "features": declared}),
        store=CellStore(folder=folder / "cells"),
        report=report,
    )


def _run(plan: _Plan, folder: pathlib.Path) -> Benchmark:
    where = hide_credentials(plan.features.rstrip("/"))
    tags = {"deepsound.job": "benchmark", "deepsound.features": where}
    name = f"benchmark-{where.rpartition('/')[2]}"
    former = plan.store.find_parent(plan.fingerprint)
    cells: list[Cell] = []
    notes: dict[str, None] = {}
    with tracking.resume_run(name, run_id=former, tags=tags, settings=to_plain(plan.settings)) as run_id:
        for feature in plan.names:
            trainings = plan.settings.of_cells([feature])
            data = read_feature(plan.features, settings=trainings[0], foreign=plan.foreign, report=plan.report)
            protocols, said = _choose_protocols(plan, data)
            notes |= dict.fromkeys(said)
            genres = data.collection.taxonomy.genres
            for training in trainings:
                for protocol in protocols:
                    cells.append(_fill(plan, data, training, protocol, parent=run_id))
                    n_cells = len(plan.names) * len(trainings) * len(protocols)
                    plan.report(f"cell {len(cells)} of {n_cells}: {_describe(cells[-1], genres)}")
        benchmark = evaluate_benchmark(cells, genres=genres, notes=list(notes))
        _publish(plan, benchmark, folder, run_id=run_id)
    return benchmark


def _describe(cell: Cell, genres: Sequence[str]) -> str:
    metrics = evaluate(cell.predictions, genres=genres).metrics
    return f"{cell.head}, {PROTOCOL_NAMES[cell.protocol]}: {describe_accuracy(metrics)}, {cell.seconds:.0f} s"


def _choose_protocols(plan: _Plan, data: FeatureData) -> tuple[list[str], list[str]]:
    """What the tracks allow, and what to know of it."""
    protocols, notes = list(plan.settings.protocols), []
    tracks = data.collection.tracks
    n_unknown = sum(track.artist is None for track in tracks)
    if n_unknown == len(tracks) and "artists" in protocols:
        notes.append("no artist is known, so whole artists cannot be had: the true figures are lower")
        protocols.remove("artists")
    elif n_unknown:
        notes.append(f"the artist of {n_unknown} of {len(tracks)} tracks is not known: each counts as its own")
    if data.n_most_segments == 1 and "segments" in protocols:
        notes.append("every track is one segment, so random segments are random tracks")
        protocols.remove("segments")
    if not protocols:
        raise LabelError(f"{'; '.join(notes)}. Ask for protocols=[tracks]")
    if "artists" in protocols:
        folds = grouped_folds(tracks, n_folds=plan.settings.n_folds, by="artist", seed=plan.settings.seed)
        leaks = data.dataset.audit.across({track_id: f"fold {fold + 1}" for track_id, fold in folds.items()})
        if leaks:
            notes.append(f"between the folds of whole artists leaks are left, which flatter: {count_leaks(leaks)}")
    return [*protocols, *(["foreign"] if data.foreign else [])], notes


def _fill(plan: _Plan, data: FeatureData, training: TrainSettings, protocol: str, *, parent: str) -> Cell:
    """A cell, read if it is there; with a run of its own under the benchmark's."""
    fingerprint = fingerprint_cell(data, protocol=protocol, settings=training, benchmark=plan.settings)
    path = plan.store.path_of(training, protocol=protocol, fingerprint=fingerprint)
    kept = plan.store.read(path, fingerprint=fingerprint)
    cell = Cell(
        feature=training.feature,
        architecture=training.architecture,
        protocol=protocol,
        predictions=kept[0] if kept else pa.table({}),
        seconds=kept[1]["seconds"] if kept else 0.0,
        run_id=kept[1]["run_id"] if kept else "",
    )
    if kept and kept[1]["parent_run_id"] == parent:
        return cell
    tags = {"deepsound.job": "benchmark-cell", "deepsound.protocol": protocol}
    with tracking.open_run(f"{cell.head}, {PROTOCOL_NAMES[protocol]}", tags=tags, is_nested=True) as run_id:
        n_folds = plan.settings.n_folds
        plain = to_plain(training.resolved()) | {"protocol": protocol, "n_folds": n_folds}
        tracking.log_settings(plain, idle=training.idle)
        if not kept:
            started = time.monotonic()
            predictions = predict_cell(
                data, protocol=protocol, settings=training, n_folds=n_folds, report=plan.report
            )
            keras.utils.clear_session()
            cell = replace(cell, predictions=predictions, seconds=time.monotonic() - started)
        cell = replace(cell, run_id=run_id)
        metrics = evaluate(cell.predictions, genres=data.collection.taxonomy.genres).metrics
        tracking.log_metrics({**listed_numbers(metrics), "seconds": cell.seconds}, prefix=_METRICS[protocol])
        tracking.log_rows(per_genre_rows(metrics), "per_genre.json")
        # Last, so that what is there has a run that is whole.
        plan.store.write(path, cell, fingerprint=fingerprint, parent_run_id=parent, benchmark=plan.fingerprint)
    return cell


def _publish(plan: _Plan, benchmark: Benchmark, folder: pathlib.Path, *, run_id: str) -> None:
    """Write page, table and JSON, and log them."""
    facts = {
        "features": hide_credentials(plan.features),
        **({"foreign": hide_credentials(plan.foreign)} if plan.foreign else {}),
        "folds": str(plan.settings.n_folds),
        "seed": str(plan.settings.seed),
        "deepsound": deepsound.__version__,
        "run in MLflow": run_id,
    }
    settings = without_credentials(to_plain(plan.settings))
    foreign = ["--foreign", facts["foreign"]] if plan.foreign else []
    words = ["benchmark", facts["features"], *foreign, "--output", "benchmark"]
    command = to_command(words, settings, default=to_plain(BenchmarkSettings()))
    files = {
        "benchmark.html": benchmark_page(benchmark, facts=facts, settings=flatten(settings), command=command),
        "benchmark.csv": benchmark_to_csv(benchmark),
        "benchmark.json": benchmark_to_json(benchmark, facts=facts, settings=settings),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        tracking.log_text(text, name)
    best = benchmark.best
    tracking.log_metrics(listed_numbers(best.report.metrics), prefix="best/")
    tracking.set_tags({"deepsound.best": best.cell.head})
    plan.report(f"written: {', '.join(files)} in {folder}; run {run_id}")
