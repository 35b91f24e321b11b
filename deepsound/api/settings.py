"""Keyword arguments as settings: the names, defaults and checks of the settings files."""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from deepsound.settings import flatten, read_settings, to_plain

Function = TypeVar("Function", bound=Callable[..., Any])
Settings = TypeVar("Settings")


def takes_settings(settings_type: type) -> Callable[[Function], Function]:
    """Put every setting with its default into the signature and the docstring of a function that takes them.

    A setting of a section is given as a mapping, ``labels={"from": "csv"}``, or by its full name,
    ``**{"labels.from": "csv"}``.
    """
    plain = to_plain(settings_type())

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        fixed = list(signature.parameters.values())[:-1]
        own = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value) for name, value in plain.items()
        ]
        rest = list(signature.parameters.values())[-1:]
        function.__signature__ = signature.replace(parameters=[*fixed, *own, *rest])  # type: ignore[attr-defined]
        words = ", ".join(f"{name}={value!r}" for name, value in flatten(plain).items())
        lines = textwrap.wrap(words, 96, break_long_words=False, break_on_hyphens=False)
        section = "\n".join(
            ["", "    Settings and their defaults::", "", *(f"        {line}" for line in lines), ""]
        )
        function.__doc__ = f"{function.__doc__}{section}"
        return function

    return decorate


def resolve_settings(
    settings_type: type[Settings], values: Mapping[str, Any], *, section: str, config: str | None
) -> Settings:
    """Settings from a file (or a name in ``conf/``) and keyword arguments over it.

    Raises
    ------
    ConfigError
        A name or value that the settings do not know.
    """
    return read_settings(settings_type, section=section, path=config, arguments=values)
