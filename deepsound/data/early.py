"""Paths of this machine that are wrong, told before an engine is started: it takes a minute to say the same."""

import pathlib
import re
from collections.abc import Mapping

from deepsound.errors import InputError, LabelError, LabelMapError, SplitError
from deepsound.label_maps.read import find_label_map, missing_label_map

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def is_missing(path: str) -> bool:
    """Whether a path is of this machine, and nothing is there; what lies elsewhere is for the engine to find."""
    scheme = _SCHEME.match(path)
    if scheme is not None and scheme[1].lower() != "file":
        return False
    plain = path.removeprefix("file://").removeprefix("file:") if scheme else path
    return not (pathlib.Path(plain).exists() or pathlib.Path(path).exists())


def check_input(path: str, *, what: str) -> None:
    """Refuse an input that is not there; ``what`` is wanted instead, for people. Raises InputError."""
    if is_missing(path):
        raise InputError(f"the input {path} does not exist; wanted {what}")


def check_label_csv(path: str | None) -> None:
    """Refuse a label CSV that is not there. Raises LabelError."""
    if path is not None and is_missing(path):
        raise LabelError(f"the label file {path} does not exist")


def check_label_map(name: str | None) -> None:
    """Refuse a label map that has no name and is no file that is there. Raises LabelMapError, PluginError."""
    if name is not None and find_label_map(name) is None and is_missing(name):
        raise LabelMapError(missing_label_map(name))


def check_split_lists(paths: Mapping[str, str]) -> None:
    """Refuse lists of tracks, by split, that are not there. Raises SplitError."""
    for split, path in paths.items():
        if is_missing(path):
            raise SplitError(f"the list of {split} tracks {path} does not exist")


def check_features(path: str, *, feature: str) -> None:
    """Refuse a FEATURES folder that is none, or that lacks a feature (or one of several, joined with ``+``).

    Raises
    ------
    InputError, SchemaMismatchError, UnknownFeatureError
        With the features that are there.
    """
    if is_missing(path):
        raise InputError(f"the features folder {path} does not exist")
    from deepsound.data.store import read_summary

    summary = read_summary(path)
    for name in feature.split("+"):
        summary.spec_of(name)
