"""Judging settings by the folds of the tracks that a search may look at: those of training and validation."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass

from deepsound.config import TrainSettings
from deepsound.training.dataset import Collection, load_dataset

# Number of a fold, from 0, and the accuracy of its tracks.
FoldReporter = Callable[[int, float], None]
# Judges settings fold by fold; what the reporter raises ends it.
Evaluator = Callable[[TrainSettings, FoldReporter], None]


@dataclass(frozen=True, kw_only=True)
class SearchData:
    """What a search knows of its data: the training and the validation tracks. The test tracks are not in here."""

    collection: Collection
    name: str
    fingerprint: str
    feature_fingerprint: str
    network: str | None


@functools.lru_cache(maxsize=1)
def load_search_data(features: str, *, settings: TrainSettings) -> SearchData:
    """The tracks that the settings put into training and validation, read once per process.

    Raises DeepsoundError as :func:`deepsound.training.dataset.load_dataset`.
    """
    dataset = load_dataset(features, settings=settings)
    return SearchData(
        collection=dataset.collect("train", "validation"),
        name=dataset.summary.name_collection(features),
        fingerprint=dataset.fingerprint,
        feature_fingerprint=dataset.summary.fingerprint_of(*settings.features),
        network=settings.pretrained or dataset.summary.network_of(*settings.features),
    )


@dataclass(frozen=True, kw_only=True)
class FoldEvaluator:
    """Trains and evaluates once per fold, in this process, wherever that is: the data are read where it runs.

    ``settings`` say how the data are read and divided, the same for every trial; ``n_threads`` are of one
    training, where several share a machine, None for all cores.
    """

    features: str
    settings: TrainSettings
    n_threads: int | None = None

    def __call__(self, settings: TrainSettings, report_fold: FoldReporter) -> None:
        """Report each fold's accuracy as it comes; see :class:`deepsound.training.objective.Objective`."""
        if self.n_threads is not None:
            # Read by TensorFlow when it is first loaded.
            os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(self.n_threads))
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        collection = load_search_data(self.features, settings=self.settings).collection
        import keras

        from deepsound.training.crossval import iterate_folds, predict_fold

        for fold in iterate_folds(collection, settings=settings, n_folds=self.settings.search.n_folds):
            predicted = predict_fold(fold, settings).argmax(axis=1)
            keras.utils.clear_session()
            report_fold(fold.number, float((predicted == fold.test.genre_indices).mean()))
