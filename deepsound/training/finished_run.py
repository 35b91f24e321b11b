"""A training that is over, as a folder: what MLflow is to get, and what stays where MLflow does not take it.

::

    record.json    run, feature, metrics, tags, tables, the decision on the champion; the version, once registered
    files/         pictures and the scorecard, as they are logged
    bundle/        the model, which scores as it lies there
"""

import contextlib
import json
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from deepsound.errors import InputError, OutputError, TrackingError, first_line
from deepsound.evaluation.render.plain import metrics_to_plain
from deepsound.models.bundle import Bundle, write_bundle
from deepsound.training import mlflow_store, registry, tracking
from deepsound.training.fit import save_keras
from deepsound.training.promotion import Promotion
from deepsound.training.run_log import RunRecord
from deepsound.training.scorecard import TrainingOutcome

_RECORD, _FILES, _BUNDLE = "record.json", "files", "bundle"


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """A finished training that MLflow has now; the metrics of its test tracks and folds as JSON holds them."""

    run_id: str
    model: registry.RegisteredModel
    promotion: Promotion
    test: dict[str, Any]
    folds: dict[str, Any] | None


@contextlib.contextmanager
def kept_until_logged(run_id: str, *, report: Callable[[str], None]) -> Iterator[pathlib.Path]:
    """A folder for what is logged in the block; where that fails, it is kept in the working directory.

    Raises TrackingError: what the block raises, with the folder named.
    """
    folder = pathlib.Path(tempfile.mkdtemp(prefix="deepsound-"))
    try:
        yield folder
    except BaseException as exc:
        if not (folder / _RECORD).is_file():
            shutil.rmtree(folder, ignore_errors=True)
            raise
        kept = _keep(folder, run_id)
        words = f"The trained model is kept: 'deepsound train --resume-upload {kept}' logs it later"
        if isinstance(exc, TrackingError):
            raise TrackingError(f"{exc}. {words}") from exc
        report(words)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _keep(folder: pathlib.Path, run_id: str) -> pathlib.Path:
    """Where the folder is now: in the working directory, or where it was, if that takes no files."""
    target = pathlib.Path.cwd() / f"deepsound-run-{run_id}"
    try:
        shutil.copytree(folder, target)
    except OSError:
        shutil.rmtree(target, ignore_errors=True)
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    return target


def write_finished(
    folder: pathlib.Path,
    outcome: TrainingOutcome,
    record: RunRecord,
    bundle: Bundle,
    *,
    former: registry.RegisteredModel | None,
) -> None:
    """Write a finished training into an empty folder; ``former`` is the champion that the decision was about.

    Raises OutputError if there is no room for it.
    """
    try:
        save_keras(outcome.fitted.model, folder / "model.keras")
        write_bundle(bundle, folder=folder / _BUNDLE, keras_weights=folder / "model.keras")
        (folder / "model.keras").unlink()
        write_record(folder, outcome, record, former=former)
    except OSError as exc:
        raise OutputError(f"the trained model cannot be written to {folder}: {first_line(exc)}") from exc


def write_record(
    folder: pathlib.Path, outcome: TrainingOutcome, record: RunRecord, *, former: registry.RegisteredModel | None
) -> None:
    """Write all but the model, in the place of what was there."""
    for name, content in record.files.items():
        (folder / _FILES / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / _FILES / name).write_bytes(content)
    plain = {
        "run_id": outcome.run_id,
        "feature": outcome.settings.feature,
        **{name: value for name, value in vars(record).items() if name != "files"},
        "test": metrics_to_plain(outcome.test),
        "folds": None if outcome.folds is None else metrics_to_plain(outcome.folds.pooled),
        "promotion": {"is_promoted": outcome.promotion.is_promoted, "reason": outcome.promotion.reason},
        "former": None if former is None else asdict(former),
    }
    _write_json(folder, {**plain, "model": _read_record(folder).get("model")})


def log_finished(folder: pathlib.Path) -> registry.RegisteredModel:
    """Log a finished training to the current run, register its model; the version. What is done is not done again.

    Raises TrackingError if the store or the registry does not take it.
    """
    record = _read_record(folder)
    for step, figures in record["curves"]:
        tracking.log_metrics(figures, step=step)
    _write_json(folder, {**record, "curves": []})
    tracking.log_metrics(record["metrics"])
    for name, rows in record["tables"].items():
        tracking.log_rows(rows, name)
    tracking.log_files(folder / _FILES)
    tracking.set_tags(record["tags"])
    if record["model"] is not None:
        return registry.RegisteredModel(**record["model"])
    model = registry.register(folder / _BUNDLE)
    _write_json(folder, {**record, "curves": [], "model": asdict(model)})
    return model


def describe_version(folder: pathlib.Path, model: registry.RegisteredModel, promotion: Promotion) -> None:
    """Say in the registry what a version is, and whether it became champion, or why not.

    Raises TrackingError if the registry refuses.
    """
    record = _read_record(folder)
    # What an earlier version has kept holds neither.
    tags = {**record.get("version_tags", {}), "deepsound.promotion": promotion.verdict}
    registry.describe(model, f"{record.get('summary', '')}\n\n{promotion.describe()}\n", tags=tags)


def resume_upload(folder: pathlib.Path, *, promote: bool) -> Uploaded:
    """Log a training that MLflow did not take when it was over; the folder is removed then.

    It becomes champion if that was decided then and the champion is still the same, or if it is asked for.

    Raises InputError: the folder holds no such training; TrackingError: the store is away still, or does not know
    the run.
    """
    record = _read_record(folder)
    if not record:
        raise InputError(f"{folder} holds no {_RECORD}: it is no training that was kept because MLflow was away")
    mlflow_store.open_store()
    with tracking.open_run(folder.name, run_id=record["run_id"], tags={}):
        model = log_finished(folder)
        promotion = _settle(model, record, is_asked_for=promote)
        tags = {"deepsound.promotion": promotion.verdict, "deepsound.promotion_reason": promotion.reason[:5000]}
        tracking.set_tags(tags)
        describe_version(folder, model, promotion)
    shutil.rmtree(folder, ignore_errors=True)
    return Uploaded(
        run_id=record["run_id"], model=model, promotion=promotion, test=record["test"], folds=record.get("folds")
    )


def _settle(model: registry.RegisteredModel, record: dict[str, Any], *, is_asked_for: bool) -> Promotion:
    decided = Promotion(**record["promotion"])
    former = None if record["former"] is None else registry.RegisteredModel(**record["former"])
    if decided.is_promoted and registry.promote(model, former=former):
        return decided
    if decided.is_promoted:
        decided = Promotion(is_promoted=False, reason="another model has become champion since it was trained")
    if not is_asked_for:
        return decided
    while not registry.promote(model, former=registry.find_champion(record["feature"])):
        continue
    return Promotion(is_promoted=True, reason=f"asked for by --promote ({decided.reason})")


def _read_record(folder: pathlib.Path) -> dict[str, Any]:
    path = folder / _RECORD
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise InputError(f"{path} cannot be read: {first_line(exc)}") from exc
    return record


def _write_json(folder: pathlib.Path, record: dict[str, Any]) -> None:
    part = folder / f".part-{_RECORD}"
    part.write_text(json.dumps(record), encoding="utf-8")
    part.replace(folder / _RECORD)
