"""What a training would do, told from the data themselves; no store is made, nothing is logged."""

from collections.abc import Callable, Iterator

from deepsound.config import TrainSettings
from deepsound.training.crossval import plan_folds
from deepsound.training.dataset import load_dataset
from deepsound.training.known_models import find_models
from deepsound.training.registry import model_name
from deepsound.training.train import describe_data


def describe_training(features: str, *, settings: TrainSettings, report: Callable[[str], None]) -> Iterator[str]:
    """Lines about the tracks, their splits, the folds and the models to be trained.

    Raises whatever would keep :func:`~deepsound.training.train.train` from its work.
    """
    search, settings = settings.search, settings.resolved()
    dataset = load_dataset(features, settings=settings, report=report)
    yield describe_data(dataset, settings)
    n_folds = plan_folds(dataset, settings=settings, report=report).n_folds
    if search.n_trials:
        yield f"search first: up to {search.n_trials} trials, each of {search.n_folds} folds"
    heads = ", ".join(member.architecture for member in settings.members)
    times = f"in {n_folds} folds and once more for the model itself" if n_folds else "once, without folds"
    n_heads = len(settings.members) * (n_folds + 1)
    yield f"to train: {heads} {times}: {n_heads} {'head' if n_heads == 1 else 'heads'}"
    known = find_models().get(model_name(settings.feature))
    there = known.describe() if known else "it would be the first"
    yield f"to be registered as {model_name(settings.feature)}: {there}"
