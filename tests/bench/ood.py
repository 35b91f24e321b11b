"""How well each out-of-distribution score tells foreign sounds from home, on held-out tracks; run by hand.

::

    deepsound extract --input MUSIC --output HOME --set features=[musicnn]
    python -m tests.bench.foreign_sounds SOUNDS
    deepsound extract --input SOUNDS --output FOREIGN --set features=[musicnn]
    python -m tests.bench.ood HOME FOREIGN other_music=OTHER --set feature=musicnn

HOME, FOREIGN and OTHER are FEATURES folders. The tracks of FOREIGN are told apart by their label, those of OTHER
are all called other_music. In each fold of a repeated cross-validation, grouped by artist, a head is trained as
``deepsound train`` trains it, and scores its held-out tracks and all the foreign ones. Scores of different heads
are never compared: an AUROC is the mean of the folds' own, with the interval for as many tracks as there are.
"""

import argparse
import dataclasses
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from deepsound.config import OOD_SCORES, TrainSettings
from deepsound.data.store import read_segments, read_tracks
from deepsound.evaluation.detection import compute_auroc
from deepsound.settings import read_settings

# Of one head: score to values of its held-out tracks, threshold, kind to score to values of foreign tracks.
FoldScores = tuple[Mapping[str, np.ndarray], Mapping[str, float], Mapping[str, Mapping[str, np.ndarray]]]


def score_folds(
    home: str, foreign: list[str], *, settings: TrainSettings, n_folds: int, n_repeats: int
) -> Iterator[FoldScores]:
    """Train and score once per fold and repeat."""
    from deepsound.models.head import load_head
    from deepsound.training.crossval import iterate_folds
    from deepsound.training.dataset import load_dataset
    from deepsound.training.fit import fit_head

    kinds = {kind: subset for named in foreign for kind, subset in _read_kinds(named, settings.feature).items()}
    for repeat in range(n_repeats):
        seeded = dataclasses.replace(settings, seed=settings.seed + repeat).resolved()
        collection = load_dataset(home, settings=seeded).collect()
        for fold in iterate_folds(collection, settings=seeded, n_folds=n_folds):
            fitted = fit_head(fold, settings=seeded, report_epoch=lambda *_: None)
            head = load_head(fitted.head)
            probabilities, of_home = score_tracks(head, fold.test)
            of_kinds = {kind: score_tracks(head, subset)[1] for kind, subset in kinds.items()}
            accuracy = np.mean(probabilities.argmax(axis=1) == fold.test.genre_indices)
            print(f"repeat {repeat + 1}, fold {fold.number + 1}: accuracy {accuracy:.2f}", file=sys.stderr)
            yield of_home, fitted.ood.thresholds, of_kinds


def score_tracks(head: Any, subset: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Probabilities [shape=(n_tracks, n_genres)] and all out-of-distribution scores [shape=(n_tracks,)]."""
    scores = head.score(subset.values, ood_scores=head.ood_scores)
    ood = {name: subset.mean_by_track(values) for name, values in scores.ood.items()}
    return subset.mean_by_track(scores.probabilities), ood


def summarize(folds: list[FoldScores], *, n_repeats: int) -> Iterator[str]:
    """The table: the false alarms at home of each score, then of each kind the AUROC and the share called so."""
    n_home = sum(len(of_home["energy"]) for of_home, _, _ in folds) // n_repeats
    yield f"{'':16}" + "".join(f"{name:>28}" for name in OOD_SCORES)
    alarms = [
        _mean_over(folds, lambda of_home, thresholds, _, name=name: np.mean(of_home[name] > thresholds[name]))
        for name in OOD_SCORES
    ]
    yield f"{'home: called so':16}" + "".join(f"{alarm:>28.2f}" for alarm in alarms)
    for kind in folds[0][2]:
        cells = []
        for name in OOD_SCORES:
            auroc = _mean_over(folds, lambda h, _, k, n=name, kind=kind: compute_auroc(h[n], k[kind][n]))
            called = _mean_over(folds, lambda _, t, k, n=name, kind=kind: np.mean(k[kind][n] > t[n]))
            cells.append(f"{auroc:.3f} {called:>4.0%}")
        yield f"{kind:16}" + "".join(f"{cell:>28}" for cell in cells)
    yield f"AUROC and share called out-of-distribution; {n_home} tracks of home, {len(folds)} heads"


def _mean_over(folds, figure):  # type: ignore[no-untyped-def]
    return float(np.mean([figure(*fold) for fold in folds]))


def _read_kinds(named: str, feature: str) -> dict[str, "Subset"]:  # type: ignore[name-defined] # noqa: F821
    from deepsound.training.dataset import Subset

    kind, equals, folder = named.rpartition("=")
    table = read_segments(folder, names=[feature])
    labels = {row["track_id"]: kind if equals else str(row["genre"]) for row in read_tracks(folder).to_pylist()}
    positions = defaultdict(list)
    for position, track_id in enumerate(table.track_ids):
        positions[labels[track_id]].append(position)
    subsets = {}
    for label, rows in positions.items():
        track_ids, track_indices = np.unique(table.track_ids[rows].astype(str), return_inverse=True)
        subsets[label] = Subset(
            values=table.values[rows],
            track_indices=track_indices,
            genre_indices=np.zeros(len(track_ids), np.int64),
        )
    return subsets


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home")
    parser.add_argument("foreign", nargs="+", metavar="[KIND=]FOREIGN")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    settings = read_settings(TrainSettings, section="train", path=None, overrides=args.overrides)
    folds = score_folds(args.home, args.foreign, settings=settings, n_folds=args.folds, n_repeats=args.repeats)
    print("\n".join(summarize(list(folds), n_repeats=args.repeats)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
