"""Which of a page's tracks a cell, a bar, a bin or a slice stands for: a click lists them, the address says it."""

from collections import defaultdict

import numpy as np

from deepsound.evaluation.examples import Examples
from deepsound.evaluation.reliability import Reliability
from deepsound.evaluation.render.chart_style import pick_of
from deepsound.evaluation.slices import Slices


def find_picks(
    examples: Examples, *, reliability: Reliability | None = None, slices: Slices | None = None
) -> dict[str, list[int]]:
    """The tracks that each part of a chart or table stands for.

    Parameters
    ----------
    reliability, slices
        Those on the page; of the same predictions as the examples.

    Returns
    -------
    dict of str to list of int
        Picks, from :func:`~deepsound.evaluation.render.chart_style.pick_of`, to places in ``examples.tracks``: of
        a ``cell`` of the confusion matrix, a true (``genre``) or a ``predicted`` genre, a ``bin`` by its number
        from 1, a ``slice`` by its name.
    """
    found: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(examples.tracks):
        found[pick_of("predicted", one.predicted_genre)].append(place)
        if one.true_genre is not None:
            found[pick_of("genre", one.true_genre)].append(place)
            found[pick_of("cell", one.true_genre, one.predicted_genre)].append(place)
    is_labelled = np.array([one.true_genre is not None for one in examples.tracks], bool)
    if reliability is not None:
        confidences = np.array([one.confidence for one in examples.tracks])
        # Halfway between bins: a level of very many tracks is the mean of its confidences.
        edges = [
            (low.most + high.least) / 2 for low, high in zip(reliability.bins, reliability.bins[1:], strict=False)
        ]
        bins = np.digitize(confidences, edges)
        for number in range(len(reliability.bins)):
            found[pick_of("bin", str(number + 1))] = np.flatnonzero(is_labelled & (bins == number)).tolist()
    if slices is not None and examples.known is not None:
        for part in (worst.part for worst in slices.worst):
            is_in = part.find(examples.known)
            found[pick_of("slice", part.name)] = np.flatnonzero(is_labelled & is_in).tolist()
    return dict(found)
