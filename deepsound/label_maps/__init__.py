"""Labels of other people's collections, in the words of a model: versioned maps, read strictly, applied purely.

A label has one of four outcomes. ``mapped``: it is one genre of the model. ``unmapped``: it is none of them, or
unknown. ``ambiguous``: it, or several labels on one track, may be different genres. ``unlabelled``: there is no
label. Only mapped tracks have a true genre; the others are counted, never guessed.
"""
