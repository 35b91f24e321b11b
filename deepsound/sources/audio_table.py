"""Parquet tables of audio as Hugging Face's ``datasets`` writes them: which column is what, by the schema."""

import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from deepsound.config import SPLIT_NAMES
from deepsound.documents import parse_json
from deepsound.errors import InputError

_LABEL_NAMES = ("genre", "genres", "label", "labels")
# Names of some hundred thousand classes.
_MAX_METADATA_BYTES = 16 << 20
_MAX_NAMED = 20
_WORDS_OF_SPLITS = (
    ("train", "training"),
    ("validation", "valid", "val", "dev"),
    ("test", "testing", "eval", "evaluation"),
)
SPLIT_OF_WORD = {word: split for split, words in zip(SPLIT_NAMES, _WORDS_OF_SPLITS, strict=True) for word in words}
_WORD_ENDS = re.compile(r"[-_.]")


@dataclass(frozen=True, kw_only=True)
class AudioColumns:
    """The columns of a table of audio.

    Attributes
    ----------
    audio : str
        Structs of ``bytes`` and ``path``.
    label, artist, split : str or None
        Strings; ``label`` may be integers.
    class_names : tuple of str
        What the integers of ``label`` mean, from 0; empty where they mean themselves, or are none.
    """

    audio: str
    label: str | None
    artist: str | None
    split: str | None
    class_names: tuple[str, ...]


def find_audio_columns(
    schema: pa.Schema, *, audio: str | None = None, label: str | None = None, where: str
) -> AudioColumns:
    """The columns to extract from.

    Parameters
    ----------
    schema : pa.Schema
        With the metadata of its file, where ``datasets`` says what the columns mean.
    audio, label : str or None
        Columns that were asked for by name. None is the only column of audio, and the first one of labels.
    where : str
        The table's name, for messages.

    Raises
    ------
    InputError
        There is no column of audio, or several; or one that was asked for is missing or of another type.
    """
    types = {field.name: field.type for field in schema}
    features = _read_features(schema)
    audio_name = _find_audio(types, features, audio, where)
    label_name = _find_label(types, label, where)
    is_class = label_name is not None and pa.types.is_integer(types[label_name])
    return AudioColumns(
        audio=audio_name,
        label=label_name,
        artist="artist" if _is_string(types.get("artist")) else None,
        split="split" if _is_string(types.get("split")) else None,
        class_names=_class_names(features.get(label_name)) if is_class else (),
    )


def has_audio(schema: pa.Schema) -> bool:
    """Whether a table has any column that may be audio."""
    return any(_is_audio(field.type) for field in schema)


def split_of_file(name: str) -> str | None:
    """The split that a file's relative path speaks of, as ``datasets`` reads it; None where it speaks of none.

    A split is a whole word between ``-``, ``_``, ``.`` and ``/``. The file's own name goes before its folders';
    words of two splits in one name say nothing.
    """
    for part in reversed(name.lower().split("/")):
        splits = {SPLIT_OF_WORD[word] for word in _WORD_ENDS.split(part) if word in SPLIT_OF_WORD}
        if splits:
            return splits.pop() if len(splits) == 1 else None
    return None


def _read_features(schema: pa.Schema) -> Mapping[Any, Any]:
    """What ``datasets`` says of the columns; nothing where that is missing or damaged."""
    content = (schema.metadata or {}).get(b"huggingface", b"")
    if len(content) > _MAX_METADATA_BYTES:
        return {}
    try:
        document = parse_json(content)
    except ValueError:
        return {}
    for key in ("info", "features"):
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def _class_names(feature: Any) -> tuple[str, ...]:
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return ()
    names = feature.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return ()
    return tuple(names)


def _find_audio(types: Mapping[str, Any], features: Mapping[Any, Any], asked: str | None, where: str) -> str:
    if asked is not None:
        kind = _type_of(types, asked, setting="source.audio", where=where)
        if not _is_audio(kind):
            raise InputError(_describe_type(where, asked, kind, "source.audio", "a struct of bytes and path"))
        return asked
    # An image is the same struct: only the metadata tells them apart.
    declared = {name: feature.get("_type") for name, feature in features.items() if isinstance(feature, dict)}
    found = [name for name, kind in types.items() if _is_audio(kind) and declared.get(name) in (None, "Audio")]
    if len(found) > 1:
        raise InputError(f"{where} has several columns of audio: {_named(found)}; choose one by source.audio")
    if not found:
        raise InputError(
            f"{where} has no column of audio, which is a struct of bytes and path, but the columns {_named(types)}"
        )
    return found[0]


def _find_label(types: Mapping[str, Any], asked: str | None, where: str) -> str | None:
    if asked is None:
        return next((name for name in _LABEL_NAMES if _is_label(types.get(name))), None)
    kind = _type_of(types, asked, setting="source.label", where=where)
    if not _is_label(kind):
        raise InputError(_describe_type(where, asked, kind, "source.label", "strings or integers"))
    return asked


def _type_of(types: Mapping[str, Any], name: str, *, setting: str, where: str) -> Any:
    if name not in types:
        raise InputError(f"{where} has no column {name!r} ({setting}), but {_named(types)}")
    return types[name]


def _describe_type(where: str, name: str, kind: Any, setting: str, wanted: str) -> str:
    return f"{where}: column {name!r} ({setting}) is {str(kind)[:200]}; wanted {wanted}"


def _named(names: Collection[str]) -> str:
    told = [repr(name[:100]) for name in itertools.islice(names, _MAX_NAMED)]
    return ", ".join(told) + (f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else "")


def _is_audio(kind: Any) -> bool:
    if not pa.types.is_struct(kind):
        return False
    parts = {field.name: field.type for field in kind}
    content = parts.get("bytes")
    is_binary = content is not None and (pa.types.is_binary(content) or pa.types.is_large_binary(content))
    return is_binary and _is_string(parts.get("path"))


def _is_label(kind: Any) -> bool:
    return _is_string(kind) or (kind is not None and pa.types.is_integer(kind))


def _is_string(kind: Any) -> bool:
    if kind is None:
        return False
    # Spark reads pyarrow's dictionaries as what they hold.
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))
