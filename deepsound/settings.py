"""Strict loading of frozen settings: YAML file, then ``--set a.b=c`` overrides, into a dataclass.

This module knows nothing about any one setting; :mod:`deepsound.config` holds those. Unknown keys are
refused by name, values are converted only where nothing is lost (``3`` for ``3.0``), and every resolved
settings object has a plain form (for JSON and MLflow) from which a sha256 fingerprint follows.
"""

import dataclasses
import difflib
import hashlib
import json
import math
import os
import pathlib
import re
import shlex
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from deepsound.documents import parse_yaml
from deepsound.errors import ConfigError
from deepsound.shipped import settings_files

Settings = TypeVar("Settings")
_SECTIONS = {"extract", "train", "score", "benchmark"}
# What JSON and Parquet keep of an integer.
_MAX_INTEGER = (1 << 63) - 1
# The beginning of a path in a home, which a shell leaves as it is behind --set key=.
_HOME = re.compile(r"~[\w.-]*/")


def read_settings(
    settings_type: type[Settings],
    *,
    section: str,
    path: str | None = None,
    overrides: Sequence[str] = (),
    arguments: Mapping[str, Any] | None = None,
) -> Settings:
    """Resolved settings of one job.

    Parameters
    ----------
    settings_type : type
        A frozen dataclass of :mod:`deepsound.config`.
    section : str
        The job's name. A file with top-level sections (``extract:``, ``train:``, ``score:``,
        ``benchmark:``) gives its part; any other file is read as this job's settings alone.
    path : str, optional
        YAML file, or the name of one that comes with deepsound (``gtzan``). Without it the defaults hold.
    overrides : sequence of str
        ``key=value`` or ``group.key=value``; the value is read as YAML. Later ones win.
    arguments : mapping, optional
        The same as values of Python: ``group.key`` to a value, or ``group`` to a mapping. They win over all.

    Raises
    ------
    ConfigError
        File unreadable, not YAML, or a key or value that the settings do not know.
    """
    values = _read_section(path, section) if path else {}
    for override in overrides:
        _apply_override(values, override)
    for key, value in flatten(arguments or {}).items():
        _put(values, key, value, told=f"{key}={value!r:.200}")
    return from_plain(settings_type, values, where=path or ("the arguments" if arguments else "--set"))


def from_plain(settings_type: type[Settings], values: Mapping[str, Any], *, where: str) -> Settings:
    """Settings from nested dictionaries, as YAML or JSON gives them.

    Raises
    ------
    ConfigError
        Naming the key, what it got and what it wanted.
    """
    return typing.cast(Settings, _build(settings_type, values, where=where, prefix=""))


def to_plain(settings: Any) -> dict[str, Any]:
    """Nested dictionaries under the names a settings file uses; the inverse of :func:`from_plain`."""
    plain: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            value = to_plain(value)
        elif isinstance(value, Mapping):
            value = dict(value)
        elif isinstance(value, tuple):
            value = list(value)
        plain[_key_of(field)] = value
    return plain


def flatten(plain: Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``: the names that ``--set`` and MLflow parameters use."""
    flat: dict[str, Any] = {}
    for key, value in plain.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, prefix=f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def to_overrides(plain: Mapping[str, Any], *, default: Mapping[str, Any]) -> list[str]:
    """What ``--set`` takes, one ``key=value`` each, to make these of others; both as :func:`to_plain`."""
    known = flatten(default)
    return [f"{key}={to_yaml(value)}" for key, value in flatten(plain).items() if value != known.get(key)]


def to_command(words: Sequence[str], plain: Mapping[str, Any], *, default: Mapping[str, Any]) -> str:
    """A line for a shell: ``deepsound`` with arguments, and settings as far as they differ from the defaults."""
    overrides = to_overrides(plain, default=default)
    return shlex.join(["deepsound", *words, *(word for one in overrides for word in ("--set", one))])


def to_yaml(value: Any) -> str:
    """The value of one setting, in one line, as ``--set`` reads it."""
    if isinstance(value, list):
        return f"[{', '.join(map(to_yaml, value))}]"
    if isinstance(value, str):
        try:
            is_plain = parse_yaml(f"[{value}]") == [value] and "\n" not in value
        except ValueError:
            is_plain = False
        return value if is_plain else json.dumps(value)
    return json.dumps(value)


def compute_fingerprint(plain: Mapping[str, Any]) -> str:
    """sha256 (64 hex digits) of the canonical JSON of ``plain``; the order of keys does not matter."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_section(path: str, section: str) -> dict[str, Any]:
    named = settings_files()
    try:
        document = parse_yaml(named.get(path, pathlib.Path(path)).read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"there is no settings file {path}; by name: {', '.join(named)}") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"cannot read the settings file {path}: {exc}") from exc
    except ValueError as exc:
        raise ConfigError(f"{path} is not valid YAML: {exc}") from exc
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path} holds a {type(document).__name__}; wanted 'key: value' lines")
    # A file with nothing but 'train:' is one of a benchmark's own settings.
    if set(document) <= _SECTIONS and (section != "benchmark" or section in document):
        document = document.get(section) or {}
        if not isinstance(document, dict):
            raise ConfigError(f"{path}: '{section}' is {document!r:.200}; wanted a section of 'key: value' lines")
    return document


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set got {override!r:.200}; wanted key=value, for example --set segment_s=5")
    try:
        value = parse_yaml(text)
    except ValueError as exc:
        raise ConfigError(f"--set {override:.200}: the value is not valid YAML: {exc}") from exc
    _put(values, key.strip(), value, told=f"--set {override:.200}")


def _put(values: dict[str, Any], key: str, value: Any, *, told: str) -> None:
    *groups, name = key.split(".")
    target = values
    for group in groups:
        inner = target.setdefault(group, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{told}: '{group}' is a single value, it has no '{name}'")
        target = inner
    target[name] = value


def _key_of(field: "dataclasses.Field[Any]") -> str:
    # 'from' is a Python keyword, so labels.from needs another attribute name.
    return str(field.metadata.get("key", field.name))


def _build(settings_type: Any, values: Any, *, where: str, prefix: str) -> Any:
    short = next((f for f in dataclasses.fields(settings_type) if f.metadata.get("is_short")), None)
    if isinstance(values, str) and short is not None:
        values = {_key_of(short): values}
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: '{prefix.rstrip('.')}' is {values!r}; wanted a section of settings")
    fields = {_key_of(field): field for field in dataclasses.fields(settings_type)}
    hints = typing.get_type_hints(settings_type)
    for key in values:
        if key not in fields:
            raise ConfigError(_unknown_key_message(f"{prefix}{key}", [f"{prefix}{k}" for k in fields], where))
    arguments = {}
    for key, value in values.items():
        field = fields[key]
        arguments[field.name] = _convert(value, hints[field.name], where=where, key=f"{prefix}{key}")
    return settings_type(**arguments)


def _unknown_key_message(key: str, known: list[str], where: str) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    guess = f" (did you mean '{close[0]}'?)" if close else ""
    return f"{where}: unknown setting '{key}'{guess}; known: {', '.join(known)}"


def _convert(value: Any, hint: Any, *, where: str, key: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where=where, prefix=f"{key}.")
    if isinstance(hint, types.UnionType):
        if value is None and type(None) in hint.__args__:
            return None
        choices = [choice for choice in hint.__args__ if choice is not type(None)]
        hint = str if isinstance(value, str) and str in choices else choices[0]
    if typing.get_origin(hint) is Mapping:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: '{key}' is {value!r:.200}; wanted a section of settings")
        return dict(value)
    if typing.get_origin(hint) is tuple:
        item_hint = typing.get_args(hint)[0]
        items = _split_list(value, item_hint) if isinstance(value, str | int | float) else value
        if not isinstance(items, list | tuple):
            raise ConfigError(f"{where}: '{key}' is {value!r:.200}; wanted a list")
        return tuple(_convert(item, item_hint, where=where, key=key) for item in items)
    return _convert_scalar(value, hint, where=where, key=key)


def _split_list(value: str | int | float, item_hint: Any) -> list[Any]:
    """The items of a list that is written without brackets: ``mfcc,musicnn``."""
    if not isinstance(value, str):
        return [value]
    texts = [text.strip() for text in value.split(",")]
    return [text if item_hint is str else parse_yaml(text) for text in texts if text]


def _convert_scalar(value: Any, hint: Any, *, where: str, key: str) -> Any:
    if hint is float:
        if (number := _to_number(value)) is not None:
            return number
    elif hint is int:
        number = None if isinstance(value, str) else _to_number(value)
        if number is not None and number == int(number) and abs(number) <= _MAX_INTEGER:
            return int(value)
    elif isinstance(value, str) and hint is str:
        return os.path.expanduser(value) if _HOME.match(value) else value  # noqa: PTH111  as it is written
    elif isinstance(value, hint):
        return value
    raise ConfigError(f"{where}: '{key}' is {value!r:.200}; wanted {hint.__name__}")


def _to_number(value: Any) -> float | None:
    """A finite number that a setting says, None if it says none."""
    # YAML 1.1 reads 1e-3 as text; a person means the number.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
