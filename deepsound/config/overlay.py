"""What is asked for, over what suits: settings that are left open, and those that fill them."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Base = TypeVar("Base", bound="DataclassInstance")


def lay_over(base: Base, asked: "DataclassInstance") -> Base:
    """The base with all that is asked for under the same names; None is not asked."""
    return replace(base, **{name: value for name, value in asdict(asked).items() if value is not None})
