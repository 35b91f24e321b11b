"""Labels of a collection to outcomes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from deepsound.label_maps.label_map import LabelMap, make_identity_map
from deepsound.label_maps.outcome import LabelCounts, LabelOutcome, count_outcomes
from deepsound.taxonomy import Taxonomy


@dataclass(frozen=True, kw_only=True)
class MappedLabels:
    """Outcomes in the order of the labels, and how many there are of each."""

    outcomes: list[LabelOutcome]
    counts: LabelCounts


def map_labels(
    labels: Sequence[str | None], *, taxonomy: Taxonomy, label_map: LabelMap | None = None
) -> MappedLabels:
    """What the labels of a collection's tracks are in the words of a model.

    Parameters
    ----------
    labels : sequence of str or None
        One a track. Several labels of a track stand in one text, separated by ``;``: such a track is mapped only
        if all of them are the same genre.
    taxonomy : Taxonomy
        The model's genres.
    label_map : LabelMap, optional
        Without one, a label is the genre of its name, by :func:`~deepsound.label_maps.make_identity_map`.

    Raises
    ------
    LabelMapError
        The map has a target that the taxonomy does not hold.
    """
    if label_map is not None:
        label_map.check_targets(taxonomy)
    used = label_map or make_identity_map(taxonomy)
    known = {label: used.resolve(label) for label in set(labels)}
    outcomes = [known[label] for label in labels]
    return MappedLabels(outcomes=outcomes, counts=count_outcomes(Counter(o.outcome for o in outcomes).items()))
