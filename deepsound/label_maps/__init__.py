"""Labels of other people's collections, in the words of a model: versioned maps, read strictly, applied purely.

A label has one of four outcomes. ``mapped``: it is one genre of the model. ``unmapped``: it is none of them, or
unknown. ``ambiguous``: it, or several labels on one track, may be different genres. ``unlabelled``: there is no
label. Only mapped tracks have a true genre; the others are counted, never guessed.
"""

from deepsound.label_maps.label_map import (
    AMBIGUOUS,
    MAPPED,
    OUTCOMES,
    UNLABELLED,
    UNMAPPED,
    LabelMap,
    LabelOutcome,
    TakenLabel,
    combine_outcomes,
    make_identity_map,
    map_labels,
)
from deepsound.label_maps.names import (
    describe_spellings,
    group_spellings,
    normalize_artist,
    normalize_label,
    split_labels,
)
from deepsound.label_maps.read import (
    LABEL_MAPS,
    builtin_label_maps,
    find_label_map,
    missing_label_map,
    parse_label_map,
    read_label_map,
)

__all__ = [
    "AMBIGUOUS",
    "LABEL_MAPS",
    "MAPPED",
    "OUTCOMES",
    "UNLABELLED",
    "UNMAPPED",
    "LabelMap",
    "LabelOutcome",
    "TakenLabel",
    "builtin_label_maps",
    "combine_outcomes",
    "describe_spellings",
    "find_label_map",
    "group_spellings",
    "make_identity_map",
    "map_labels",
    "missing_label_map",
    "normalize_artist",
    "normalize_label",
    "parse_label_map",
    "read_label_map",
    "split_labels",
]
