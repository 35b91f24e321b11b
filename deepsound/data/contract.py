"""What a FEATURES folder must be: ``extract.json``, the columns of both tables, and rows that agree.

Whoever opens such a folder, with Spark or without, asks here first; nothing here reads anything.
"""

import pathlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa
from pyarrow import types
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from deepsound.data.layout import Layout
from deepsound.documents import parse_json
from deepsound.errors import SchemaMismatchError, UnknownFeatureError
from deepsound.settings import compute_fingerprint

SUMMARY_NAME = "extract.json"
_TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".tar")
SEGMENT_KEYS = ("track_id", "segment_index")
_STATUSES = ("ok", "failed")

_Text = Annotated[str, Field(min_length=1)]
_Count = Annotated[int, Field(ge=0)]
# One segment of a feature, at most 1 GB.
_MAX_SEGMENT_VALUES = 1 << 28
_Size = Annotated[int, Field(ge=1, le=_MAX_SEGMENT_VALUES)]


def _fits_in_memory(shape: list[int]) -> list[int]:
    n_frames, n_dims = shape
    if n_frames * n_dims > _MAX_SEGMENT_VALUES:
        raise ValueError(f"a segment has more than {_MAX_SEGMENT_VALUES} values")
    return shape


# (n_frames, n_dims) of a feature, wherever a document of others declares it.
SegmentShape = Annotated[list[_Size], Field(min_length=2, max_length=2), AfterValidator(_fits_in_memory)]


class _Part(BaseModel):
    """A part of the document; what it does not name passes as it is, and what is not there is not filled in."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class _Feature(_Part):
    shape: SegmentShape
    fingerprint: _Text = ""
    network: str | None = None
    package: str | None = None


class _Counts(_Part):
    tracks: _Count = 0
    segments: _Count = 0


class _Document(_Part):
    fingerprint: _Text
    features: dict[str, _Feature]
    settings: dict[str, Any]
    versions: dict[str, Any]
    counts: _Counts
    # Where the music was; of earlier writers it is not known.
    input: str | None = None


@dataclass(frozen=True, kw_only=True)
class FeatureSummary:
    """The parsed ``extract.json``."""

    fingerprint: str
    features: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    versions: dict[str, Any]
    counts: dict[str, Any]
    input: str | None = None

    def name_collection(self, features: str) -> str:
        """What people call the music: after the source that was extracted, else after the folder itself."""
        names = (_name_after(pathlib.PurePosixPath(path)) for path in (self.input or "", features))
        return next((name for name in names if name not in ("", "..")), "features")

    def layout_of(self, *features: str) -> Layout:
        """How declared features lie in the array of a segment."""
        shapes = (self.spec_of(feature)["shape"] for feature in features)
        return Layout(tuple((int(n_frames), int(n_dims)) for n_frames, n_dims in shapes))

    def fingerprint_of(self, *features: str) -> str:
        """The feature's own fingerprint, or that of several; the folder's where the writer declared none."""
        of_each = {name: str(self.spec_of(name).get("fingerprint", self.fingerprint)) for name in features}
        return join_fingerprints(of_each)

    def network_of(self, *features: str) -> str | None:
        """Where the features' networks came from; None for features that have none."""
        networks = (self.spec_of(feature).get("network") for feature in features)
        return ", ".join(dict.fromkeys(str(network) for network in networks if network is not None)) or None

    def package_of(self, feature: str) -> str | None:
        """Name and version of the package that a feature came with; None for deepsound's own."""
        package: str | None = self.spec_of(feature).get("package")
        return package

    def spec_of(self, feature: str) -> dict[str, Any]:
        """What the folder declares of a feature.

        Raises
        ------
        UnknownFeatureError
            Naming the features that are declared.
        """
        try:
            return self.features[feature]
        except KeyError as exc:
            declared = ", ".join(sorted(self.features)) or "none"
            raise UnknownFeatureError(f"the features declare no '{feature}'; declared: {declared}") from exc


def join_fingerprints(fingerprints: Mapping[str, str]) -> str:
    """One fingerprint of features, from those of each by name; of a single one, its own."""
    return compute_fingerprint(dict(fingerprints)) if len(fingerprints) > 1 else next(iter(fingerprints.values()))


def parse_summary(text: str | bytes, *, where: str) -> FeatureSummary:
    """``extract.json`` as an object.

    Raises
    ------
    SchemaMismatchError
        Not JSON, a key of the contract is missing, or its value is not what the contract says.
    """
    try:
        document = _Document.model_validate(parse_json(text)).model_dump(exclude_unset=True)
    except ValueError as exc:
        raise SchemaMismatchError(
            f"{where}/{SUMMARY_NAME} is not what extract writes: {_first_trouble(exc)}"
        ) from exc
    return FeatureSummary(**{key: document[key] for key in _Document.model_fields if key in document})


def _name_after(source: pathlib.PurePosixPath) -> str:
    if source.stem == "manifest":
        return source.parent.name
    return source.stem if source.suffix in _TABLE_SUFFIXES else source.name


def _first_trouble(exc: ValueError) -> str:
    """What a reader of JSON says, or the first of what pydantic has to say, with the place in the document."""
    if not isinstance(exc, ValidationError):
        return str(exc)
    first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
    return ": ".join([*filter(None, [".".join(map(str, first["loc"]))]), first["msg"]])


def is_text(kind: pa.DataType) -> bool:
    """Whether an Arrow type is one of the many that hold text."""
    if types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_numbers(kind: pa.DataType) -> bool:
    return bool((types.is_list(kind) or types.is_large_list(kind)) and types.is_floating(kind.value_type))


def _is_number(kind: pa.DataType) -> bool:
    return bool(types.is_floating(kind) or types.is_integer(kind) or types.is_null(kind))


_COUNTS = ("segment_index", "n_segments")
_QUANTITIES = (
    *("duration_s", "start_s", "peak", "rms_dbfs", "sample_rate_hz", "n_channels", "size_bytes"),
    "modified_ms",  # this edition's own
)
# Every other column but those of features.
_NEVER_NULL = ("track_id", "status")


def check_columns(
    schema: pa.Schema, columns: Iterable[str], *, where: str, features: Collection[str] = ()
) -> None:
    """Refuse a table that lacks a column, has it twice, or of another type.

    Parameters
    ----------
    where : str
        The table, for people: ``features/segments``.
    features : collection of str
        Which of the columns hold a feature: a list of floats.

    Raises
    ------
    SchemaMismatchError
        Naming the column, its type and that which was wanted.
    """
    for name in columns:
        places = schema.get_all_field_indices(name)
        if len(places) != 1:
            found = f"{len(places)} columns of that name" if places else "no such column"
            raise SchemaMismatchError(f"cannot read {name} from {where}: {found}")
        kind = schema.field(places[0]).type
        if name in features:
            wanted, is_right = "a list of float", _is_numbers(kind)
        elif name in _COUNTS:
            wanted, is_right = "integers", types.is_integer(kind)
        elif name in _QUANTITIES:
            wanted, is_right = "numbers", _is_number(kind)
        else:  # a column without any value may have no type
            wanted, is_right = "text", is_text(kind) or (types.is_null(kind) and name not in _NEVER_NULL)
        if not is_right:
            raise SchemaMismatchError(f"cannot read {name} from {where}: it holds {kind}, wanted {wanted}")


def check_fingerprints(found: Collection[str | None], summary: FeatureSummary, *, where: str) -> None:
    """Refuse rows of another extraction than the one that ``extract.json`` tells of.

    Parameters
    ----------
    found : collection of str or None
        Fingerprints of the rows of ``tracks/``; None where a row has none.

    Raises
    ------
    SchemaMismatchError
        Naming both fingerprints.
    """
    others = sorted(str(fingerprint)[:12] for fingerprint in found if fingerprint != summary.fingerprint)
    if others:
        raise SchemaMismatchError(
            f"{where}/tracks holds rows with the fingerprint {others[0]}, {SUMMARY_NAME} says "
            f"{summary.fingerprint[:12]}: extractions of different settings are mixed there; extract again, with "
            "--overwrite or to a new folder"
        )


def check_statuses(found: Collection[str | None], *, where: str) -> None:
    """Refuse rows of ``tracks/`` that are neither ``ok`` nor ``failed``; raises SchemaMismatchError."""
    others = sorted(str(status) for status in found if status not in _STATUSES)
    if others:
        raise SchemaMismatchError(f"{where}/tracks holds the status '{others[0]}'; known: {', '.join(_STATUSES)}")


def check_no_nulls(n_nulls: Mapping[str, int], *, where: str) -> None:
    """Refuse a table with nulls in columns, given by name with how many they have; raises SchemaMismatchError."""
    for name, n in n_nulls.items():
        if n:
            raise SchemaMismatchError(f"{where} holds {n} rows without a {name}")


def check_counts(n_rows: Mapping[str, int], summary: FeatureSummary, *, where: str) -> None:
    """Refuse tables with more or fewer rows than ``extract.json`` counts, where it does.

    Parameters
    ----------
    n_rows : mapping of str to int
        ``tracks``, ``segments``, or one of them.

    Raises
    ------
    SchemaMismatchError
        Naming both numbers.
    """
    for table, n in n_rows.items():
        counted = summary.counts.get(table, n)
        if n != counted:
            raise SchemaMismatchError(
                f"{where}/{table} holds {n} rows, {SUMMARY_NAME} counts {counted}: was a file there copied or "
                "lost?"
            )


def describe_repeated_track(where: str, track_id: str, n: int) -> str:
    """What to say of a track with more than one row."""
    return f"{where}/tracks holds {track_id} {n} times: was a file there copied?"


def describe_wrong_segments(where: str, track_id: str, *, n: int, n_distinct: int, n_expected: int) -> str:
    """What to say of a track whose segments are not those that ``tracks/`` counts, each once."""
    if n > n_distinct:
        return (
            f"{where}/segments holds {n} segments of {track_id}, of which only {n_distinct} differ in "
            "segment_index: was a file there copied?"
        )
    return (
        f"{where}/segments holds {n} segments of {track_id}, tracks/ counts {n_expected}: was a file there copied "
        "or lost, or is the folder being written to?"
    )
