"""Label maps from YAML, read strictly.

::

    name: fma
    version: 1
    source: Free Music Archive, genres.csv
    targets: [blues, rock]            # the model's genres that labels may go to
    map:
      Delta Blues: blues              # a genre
      Electronic: unmapped            # none of them
      Soul-RnB: ambiguous             # may be several, not said which
      Blues-Rock: [blues, rock]       # may be any of these: ambiguous, too
    endings: true                     # optional: 'Texas Blues', which is not named, is taken for 'Blues'

What can be misunderstood is refused: an unknown or missing key, a target that ``targets`` does not name, the same
label twice, in one spelling or in two that :func:`deepsound.label_maps.names.normalize_label` makes equal.
"""

import difflib
import pathlib
from collections.abc import Iterator
from typing import Any

from deepsound.documents import parse_yaml
from deepsound.errors import LabelMapError, PluginError
from deepsound.label_maps.label_map import AMBIGUOUS, MAPPED, OUTCOMES, UNMAPPED, LabelMap, LabelOutcome
from deepsound.label_maps.names import normalize_label
from deepsound.plugins import Registry
from deepsound.shipped import shipped_folder

_KEYS = ("name", "version", "source", "targets", "map")
_OPTIONAL_KEYS = ("endings",)


def builtin_label_maps() -> dict[str, pathlib.Path]:
    """The files of ``conf/taxonomy`` by name; they are found in a checkout and where deepsound is installed."""
    return {path.stem: path for path in sorted((shipped_folder("conf") / "taxonomy").glob("*.yaml"))}


LABEL_MAPS = Registry("label map", group="deepsound.label_maps", taken=builtin_label_maps)


def find_label_map(name: str) -> pathlib.Path | None:
    """The file of a map that has a name (``fma``), built in or of another package; None for any other.

    Raises
    ------
    PluginError
        The map of a package is not the path of a file.
    """
    plugin = LABEL_MAPS.find(name)
    if plugin is None:
        return builtin_label_maps().get(name)
    path = plugin.load()
    if not isinstance(path, str | pathlib.Path):
        raise PluginError(f"{plugin}, is a {type(path).__name__}; wanted the path of a YAML file")
    return pathlib.Path(path)


def read_label_map(name: str) -> LabelMap:
    """A map by its name, or any by the path of its file.

    Raises
    ------
    LabelMapError
        No such map, or the file cannot be read or is not a label map.
    PluginError
        The map of a package is not the path of a file.
    """
    path = find_label_map(name) or pathlib.Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise LabelMapError(missing_label_map(name)) from exc
    except (OSError, ValueError) as exc:
        raise LabelMapError(f"cannot read the label map {name}: {exc}") from exc
    return parse_label_map(text, where=name)


def missing_label_map(name: str) -> str:
    """What to say where there is no map of that name."""
    return f"there is no label map {name}; wanted {', '.join(LABEL_MAPS.names())}, or the path of a YAML file"


def parse_label_map(text: str, *, where: str) -> LabelMap:
    """A label map from the text of its file, which messages call ``where``.

    Raises
    ------
    LabelMapError
        Naming what is wrong, and what was wanted.
    """
    try:
        document = _load(text)
        _check_keys(document)
        targets = _parse_targets(document["targets"])
        return LabelMap(
            name=_parse_text(document, "name"),
            version=_parse_version(document["version"]),
            source=_parse_text(document, "source"),
            targets=targets,
            entries=dict(_parse_entries(document["map"], targets)),
            by_ending=_parse_flag(document.get("endings", False)),
        )
    except _NoLabelMapError as exc:
        raise LabelMapError(f"the label map {where}: {exc}") from exc


class _NoLabelMapError(Exception):
    """What is wrong with a document."""


def _load(text: str) -> dict[Any, Any]:
    try:
        document = parse_yaml(text)
    except ValueError as exc:
        raise _NoLabelMapError(f"is not valid YAML: {exc}") from exc
    if not isinstance(document, dict):
        raise _NoLabelMapError(f"holds a {type(document).__name__}; wanted {', '.join(_KEYS)}")
    return document


def _check_keys(document: dict[Any, Any]) -> None:
    for key in document:
        if key not in (*_KEYS, *_OPTIONAL_KEYS):
            close = difflib.get_close_matches(str(key), (*_KEYS, *_OPTIONAL_KEYS), n=1)
            guess = f" (did you mean '{close[0]}'?)" if close else ""
            raise _NoLabelMapError(f"unknown key {key!r}{guess}; wanted {', '.join(_KEYS)}")
    missing = [key for key in _KEYS if key not in document]
    if missing:
        raise _NoLabelMapError(f"lacks {', '.join(missing)}")


def _parse_text(document: dict[Any, Any], key: str) -> str:
    value = document[key]
    if not isinstance(value, str) or not value.strip():
        raise _NoLabelMapError(f"{key} is {value!r}; wanted some text")
    return value.strip()


def _parse_version(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _NoLabelMapError(f"version is {value!r}; wanted a number from 1 on")
    return value


def _parse_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _NoLabelMapError(f"endings is {value!r}; wanted true or false")
    return value


def _parse_targets(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    is_names = all(isinstance(item, str) and item.strip() for item in items)
    if not items or not is_names or len(set(items)) != len(items) or set(items) & set(OUTCOMES):
        raise _NoLabelMapError(f"targets is {value!r}; wanted a list of different genres")
    return tuple(items)


def _parse_entries(value: Any, targets: tuple[str, ...]) -> Iterator[tuple[str, LabelOutcome]]:
    if not isinstance(value, dict) or not value:
        raise _NoLabelMapError(f"map is {value!r}; wanted 'label: genre' lines")
    spellings: dict[str, str] = {}
    for label, target in value.items():
        if not isinstance(label, str):
            raise _NoLabelMapError(f"the label {label!r} is no text; put it in quotes")
        form = normalize_label(label)
        if not form:
            raise _NoLabelMapError(f"the label {label!r} has no letter and no digit")
        if form in spellings:
            raise _NoLabelMapError(f"the same label twice: {spellings[form]!r} and {label!r} are both {form!r}")
        spellings[form] = label
        yield form, _parse_target(label, target, targets)


def _parse_target(label: str, value: Any, targets: tuple[str, ...]) -> LabelOutcome:
    if value in (UNMAPPED, AMBIGUOUS):
        return LabelOutcome(str(value))
    if isinstance(value, str) and value in targets:
        return LabelOutcome(MAPPED, value)
    choices = value if isinstance(value, list) else []
    n_different = sum(target in choices for target in targets)
    if n_different > 1 and n_different == len(choices):
        return LabelOutcome(AMBIGUOUS)
    raise _NoLabelMapError(
        f"{label!r} goes to {value!r}; wanted unmapped, ambiguous, one of the targets ({', '.join(targets)}) or a "
        "list of several"
    )
