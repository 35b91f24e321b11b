"""A hyperparameter search from a FEATURES folder to the best settings, kept so that it can go on after a kill."""

import contextlib
import pathlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import optuna
import yaml

from deepsound.config import TrainSettings
from deepsound.config.space import Choice, Space, open_space, suited_values, with_values
from deepsound.credentials import without_credentials
from deepsound.data.folds import divide_folds
from deepsound.errors import ConfigError
from deepsound.networks.cache import cache_folder
from deepsound.settings import compute_fingerprint, to_plain
from deepsound.training import mlflow_store, tracking, trial_runs
from deepsound.training.objective import Objective, TrialLog, decode_values, encode_values
from deepsound.training.study import (
    TrialRunner,
    make_pruner,
    make_sampler,
    open_local_study,
    recover,
    run_trials,
    run_trials_elsewhere,
)
from deepsound.training.trial_outcomes import best_trial, count_finished, describe_trial
from deepsound.training.trials import Evaluator, FoldEvaluator, SearchData, load_search_data
from deepsound.training.workers import WorkerPool

_RUN_ID = "run_id"
_N_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class SearchOutcome:
    """What a search came to.

    ``run_id`` is of the search in MLflow; its trials are nested under it. ``settings`` are the best, without a
    search, ``accuracy`` their mean over the folds, which flatters the best of many: only the test tracks tell.
    ``is_of_use`` says whether that is better than always naming the commonest genre; if not, ``settings`` are the
    defaults.
    """

    run_id: str
    settings: TrainSettings
    accuracy: float
    is_of_use: bool


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A search before its first trial. The same data, settings and space have the same ``name``."""

    name: str
    features: str
    settings: TrainSettings
    space: Space
    data: SearchData
    report: Callable[[str], None]


def search(
    features: str,
    *,
    settings: TrainSettings,
    report: Callable[[str], None],
    on_spark: TrialRunner | None = None,
) -> SearchOutcome:
    """Try settings on folds of the training and validation tracks until ``settings.search`` is satisfied.

    ``settings`` are as they were asked for, not resolved: what is set is kept. ``on_spark`` runs trials as tasks
    of Spark; the study is then kept in MLflow. Raises TrackingError if the MLflow store cannot be reached, before
    anything else is done; ConfigError if the settings leave nothing to search, or contradict the space;
    SearchError if the study cannot be opened, or no trial gave a model.
    """
    uri = mlflow_store.open_store()
    if on_spark and settings.search.storage is not None:
        raise ConfigError("'search.storage' is set, but on Spark the trials are kept in MLflow; leave it out")
    plan = _make_plan(features, settings, report)
    if on_spark:
        return _search_on_spark(plan, on_spark)
    return _search_here(plan, _study_path(plan, uri))


def _study_path(plan: _Plan, uri: str) -> pathlib.Path:
    """Where the study is kept: a file for each search of a store, where the user's other caches are."""
    if plan.settings.search.storage is not None:
        return pathlib.Path(plan.settings.search.storage)
    of_store = compute_fingerprint({"store": mlflow_store.absolute_uri(uri)})[:12]
    return cache_folder() / "searches" / f"{plan.name}-{of_store}.db"


def _make_plan(features: str, settings: TrainSettings, report: Callable[[str], None]) -> _Plan:
    if "://" not in features:
        features = str(pathlib.Path(features).absolute())
    data = load_search_data(features, settings=settings)
    space = open_space(settings, n_frames=[n_frames for n_frames, _ in data.collection.segments.layout.shapes])
    # Raises what the folds would raise in every trial.
    divide_folds(data.collection.tracks, n_folds=settings.search.n_folds, split=settings.split, seed=settings.seed)
    asked = to_plain(settings) | {"search": {"n_folds": settings.search.n_folds}}
    described = {key: vars(dimension) for key, dimension in space.items()}
    fingerprint = compute_fingerprint({"data": data.fingerprint, "settings": asked, "space": described})
    name = f"search-{settings.feature}-{settings.architecture}-{fingerprint[:12]}"
    report(
        f"{name}: {settings.search.n_trials} trials of {', '.join(space)}; each on {settings.search.n_folds} "
        f"folds of the {len(data.collection.tracks)} training and validation tracks"
    )
    return _Plan(name=name, features=features, settings=settings, space=space, data=data, report=report)


def _search_here(plan: _Plan, path: pathlib.Path) -> SearchOutcome:
    """In this process, or in others on this machine; the study is a file."""
    with open_local_study(path, name=plan.name, seed=plan.settings.seed) as study:
        former = study.user_attrs.get(_RUN_ID)
        with _open_run(plan, former) as run_id, _open_evaluator(plan) as evaluate:
            study.set_user_attr(_RUN_ID, run_id)
            log = trial_runs.TrialRuns(run_id)
            n_before = _prepare(plan, study, log)
            objective = Objective(settings=plan.settings, space=plan.space, evaluate=evaluate, log=log)
            run_trials(study, objective, search=plan.settings.search, report=plan.report)
            return _conclude(plan, study, n_before=n_before, run_id=run_id)


def _search_on_spark(plan: _Plan, run: TrialRunner) -> SearchOutcome:
    """As tasks of Spark; the study is the run in MLflow itself."""
    # By another name than its run on this machine would have, because here the run itself is the study.
    plan = replace(plan, name=f"{plan.name}-spark")
    study = trial_runs.open_mlflow_study(plan.name, pruner=make_pruner())
    study.sampler = make_sampler(seed=plan.settings.seed, n_trials_before=len(study.trials))
    with _open_run(plan, str(study._study_id)) as run_id:
        log = trial_runs.StudyRuns()
        n_before = _prepare(plan, study, log)
        evaluate = FoldEvaluator(features=plan.features, settings=plan.settings, n_threads=run.n_threads)
        objective = Objective(settings=plan.settings, space=plan.space, evaluate=evaluate, log=log)
        run_trials_elsewhere(
            study,
            run,
            objective,
            search=plan.settings.search,
            report=plan.report,
            count_ended=lambda: trial_runs.count_ended(run_id),
        )
        return _conclude(plan, study, n_before=n_before, run_id=run_id)


def _open_run(plan: _Plan, former: str | None) -> contextlib.AbstractContextManager[str]:
    tags = {
        "deepsound.job": "search",
        "deepsound.feature": plan.settings.feature,
        "deepsound.architecture": plan.settings.architecture,
        "deepsound.data_fingerprint": plan.data.fingerprint,
        "deepsound.feature_fingerprint": plan.data.feature_fingerprint,
        "deepsound.network": plan.data.network or "none",
    }
    name = f"search · {plan.settings.name_run(plan.data.name)}"
    return tracking.resume_run(
        name, run_id=former, tags=tags, settings=to_plain(plan.settings), idle=plan.settings.idle
    )


@contextlib.contextmanager
def _open_evaluator(plan: _Plan) -> Iterator[Evaluator]:
    n_parallel = plan.settings.search.n_parallel
    if n_parallel == 1:
        yield FoldEvaluator(features=plan.features, settings=plan.settings)
    else:
        with WorkerPool(plan.features, settings=plan.settings, n_workers=n_parallel) as pool:
            yield pool


def _prepare(plan: _Plan, study: optuna.Study, log: TrialLog) -> int:
    """Queue what was killed, or for a new study the settings that need no search; how many trials are there."""
    n_queued = recover(study, log=log)
    trials = study.get_trials(deepcopy=False)
    if trials:
        again = f"; {n_queued} that were killed are tried again" if n_queued else ""
        plan.report(f"{count_finished(trials)} of {plan.settings.search.n_trials} trials are there already{again}")
        return len(trials)
    suited = encode_values(suited_values(plan.settings, plan.space), plan.space)
    if suited is not None:
        study.enqueue_trial(suited)
    return 0


def _conclude(plan: _Plan, study: optuna.Study, *, n_before: int, run_id: str) -> SearchOutcome:
    trials = study.get_trials(deepcopy=False)
    best = best_trial(trials, n_before=n_before)
    asked = replace(plan.settings, search=replace(plan.settings.search, n_trials=0, storage=None))
    accuracy, chance = float(best.value or 0.0), _share_of_commonest(plan.data)
    is_of_use = accuracy > chance
    # The winner was chosen by its folds, which would flatter it again: its headline are the test tracks.
    chosen = replace(asked, folds=0 if asked.folds == "auto" else asked.folds)
    settings = with_values(chosen, decode_values(best.params, plan.space)) if is_of_use else asked
    what = "The best" if is_of_use else "The defaults, as no trial was better than chance: the best"
    text = (
        f"# {what} of {count_finished(trials)} trials, accuracy {accuracy:.3f} over {settings.search.n_folds} "
        "folds. To train with them again:\n# jobs/train.py --features FEATURES --config best_settings.yaml\n"
    )
    text += yaml.safe_dump(without_credentials(to_plain(settings)), sort_keys=False)
    tracking.log_text(text, "best_settings.yaml")
    tracking.log_metrics({"search/best_accuracy": accuracy, "search/n_trials_finished": count_finished(trials)})
    tracking.describe_run(_describe(plan, trials))
    plan.report(
        f"best of {count_finished(trials)} trials: trial {best.number}, {describe_trial(best)}; kept as "
        f"best_settings.yaml in run {run_id}"
    )
    if not is_of_use:
        plan.report(
            f"no trial is better than always naming the commonest genre, which {chance:.3f} of the tracks have: "
            "the defaults are used. There may be too few tracks, or nothing to be learned from them"
        )
    return SearchOutcome(run_id=run_id, settings=settings, accuracy=accuracy, is_of_use=is_of_use)


def _share_of_commonest(data: SearchData) -> float:
    genres = Counter(track.genre for track in data.collection.tracks)
    return max(genres.values()) / genres.total()


def _describe(plan: _Plan, trials: list[optuna.trial.FrozenTrial]) -> str:
    complete = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    first = sorted(complete, key=lambda trial: -(trial.value or 0.0))[:_N_SHOWN]
    listed = "\n".join(f"- trial {trial.number}: {describe_trial(trial)}" for trial in first)
    space = "\n".join(f"- {key}: {_describe_dimension(dimension)}" for key, dimension in plan.space.items())
    return (
        f"The best of {count_finished(trials)} trials on {plan.settings.search.n_folds} folds of the training "
        f"and validation tracks:\n\n{listed}\n\nThe best of many is flattered; the training with these settings "
        f"judges them on the test tracks.\n\nSearched:\n\n{space}\n"
    )


def _describe_dimension(dimension: Choice | object) -> str:
    if isinstance(dimension, Choice):
        return ", ".join(str(option) for option in dimension.options)
    return str(dimension)
