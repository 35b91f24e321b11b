"""What the JSON of a bundle may hold, number by number: what a bundle of unknown origin is checked by.

Read on the driver alone: executors get what was found, and import none of this.
"""

import reprlib
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deepsound.data.contract import SegmentShape
from deepsound.documents import parse_json
from deepsound.errors import BundleError

# What float32 holds, as the network does: sums of squares of it stay far from float64's end.
_LARGEST = 3.4e38

Text = Annotated[str, Field(min_length=1, max_length=4096)]
Number = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]
# As many as float64 counts without a gap.
Count = Annotated[int, Field(ge=0, le=1 << 53)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Document = TypeVar("Document", bound=BaseModel)


class _Part(BaseModel):
    # A key of a later version that means nothing here is passed over; a number in quotes is not.
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False, extra="ignore")


class FeaturePart(_Part):
    """A feature that the model takes, and of what shape."""

    name: Text
    shape: SegmentShape
    fingerprint: Text
    network: Text | None = None
    package: Text | None = None


class StandardizationPart(_Part):
    """A transform a feature, a mean and a deviation a dimension of all features."""

    transforms: list[Literal["none", "logit"]]
    mean: list[Number]
    std: list[Annotated[float, Field(ge=1e-12, le=_LARGEST)]]


class OodPart(_Part):
    """The rule that calls a track out-of-distribution."""

    score: Text
    thresholds: dict[Text, Number]
    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)]
    n_tracks: Annotated[Count, Field(ge=1)] | None = None
    n_independent: Annotated[Number, Field(ge=1)] | None = None
    home_scores: Annotated[list[Number], Field(min_length=1, max_length=100_000)] | None = None
    home_units: Annotated[list[Annotated[int, Field(ge=0, lt=100_000)]], Field(max_length=100_000)] | None = None


class Manifest(_Part):
    """bundle.json, as of format 3."""

    taxonomy: Annotated[list[Text], Field(min_length=2, max_length=100_000)]
    features: Annotated[list[FeaturePart], Field(min_length=1, max_length=100)]
    extract_settings: dict[str, Any]
    standardization: StandardizationPart
    temperature: Annotated[float, Field(ge=1e-3, le=1e3)]
    ood: OodPart
    train_settings: dict[str, Any]
    data_fingerprint: Text
    # Becomes a part of addresses.
    run_id: Annotated[str, Field(max_length=256, pattern="^[0-9A-Za-z_-]+$")] | None
    files_sha256: dict[Text, Sha256]

    @model_validator(mode="after")
    def _is_of_one_shape(self) -> "Manifest":
        names = [feature.name for feature in self.features]
        if len(set(names)) < len(names):
            raise ValueError(f"features names one twice: {', '.join(names)}")
        scale, n_dims = self.standardization, sum(feature.shape[1] for feature in self.features)
        if len(scale.transforms) != len(names):
            raise ValueError(f"standardization.transforms has {len(scale.transforms)} for {len(names)} features")
        for name, numbers in (("mean", scale.mean), ("std", scale.std)):
            if len(numbers) != n_dims:
                raise ValueError(f"standardization.{name} has {len(numbers)} numbers for {n_dims} dimensions")
        return self


class BinsPart(_Part):
    """One quantity in bins; deepsound itself cuts some twenty."""

    name: Text
    edges: Annotated[list[Number], Field(max_length=100)]
    counts: Annotated[list[Count], Field(max_length=101)]


class DriftDocument(_Part):
    """drift.json."""

    feature: Text
    features: list[BinsPart]
    tracks: Annotated[list[BinsPart], Field(max_length=1000)]
    containers: dict[Text, Count]
    is_rounded: bool = False
    medians: dict[Text, Number] = {}
    n_independent: Annotated[Number, Field(ge=1)] | None = None


def parse_manifest(plain: dict[str, Any], *, version: int) -> Manifest:
    """The manifest of a bundle of a known format. Raises BundleError that names the first thing wrong."""
    if version == 1:
        rule = plain.get("ood")
        if isinstance(rule, dict):
            plain = {**plain, "ood": {**rule, "thresholds": {str(rule.get("score")): rule.get("threshold")}}}
        plain = {**plain, "files_sha256": {"head.onnx": plain.get("head_sha256")}}
    if version < 3:
        plain = _with_several_features(plain)
    return _validate(Manifest, plain, name="bundle.json")


def _with_several_features(plain: dict[str, Any]) -> dict[str, Any]:
    """What format 2 says of its one feature, as of format 3; before there were transforms, it named none."""
    scale = plain.get("standardization")
    if isinstance(scale, dict):
        plain = {**plain, "standardization": {**scale, "transforms": [scale.get("transform", "none")]}}
    return {**plain, "features": [plain.get("feature")]}


def parse_drift(content: bytes) -> dict[str, Any]:
    """What ``drift.json`` holds, in plain values. Raises BundleError that names the first thing wrong."""
    try:
        document = parse_json(content)
    except ValueError as exc:
        raise BundleError(f"drift.json is not JSON: {exc}") from exc
    return _validate(DriftDocument, document, name="drift.json").model_dump()


def _validate(document_type: type[Document], plain: Any, *, name: str) -> Document:
    try:
        return document_type.model_validate(plain)
    except ValidationError as exc:
        first, *others = exc.errors(include_url=False)
        more = f" (and {len(others)} more)" if others else ""
        if first["type"] == "value_error":
            raise BundleError(f"{name}: {first['ctx']['error']}{more}") from exc
        field = ".".join(map(str, first["loc"]))[:200]
        place = f"{name}: {field}" if field else name
        got = "" if first["type"] == "missing" else f", got {reprlib.repr(first['input'])}"
        raise BundleError(f"{place}: {first['msg']}{got}{more}") from exc
