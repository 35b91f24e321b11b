"""JSON and YAML that others wrote: read into plain values of a bounded size, or refused with a ValueError.

What both formats let pass and nobody means is refused: numbers that are not finite or that no 64 bits hold (JSON),
a key twice and aliases that expand to more than they say (YAML), and nesting without end.
"""

import json
import math
from typing import Any, NoReturn

import yaml

_MAX_DEPTH = 50
# A label map has a line a label; a billion laughs, as they are called, are some lines of aliases.
_MAX_YAML_NODES = 200_000
_MAX_INTEGER = (1 << 63) - 1
_TOO_DEEP = f"it is nested more than {_MAX_DEPTH} levels deep"


def parse_json(content: str | bytes) -> Any:
    """What a JSON document holds.

    Raises
    ------
    ValueError
        It is none, or one with NaN, a number too large, or too deep.
    """
    try:
        document = json.loads(
            content, parse_constant=_refuse_constant, parse_float=_parse_float, parse_int=_parse_int
        )
    except RecursionError as exc:
        raise ValueError(_TOO_DEEP) from exc
    _check_depth(document)
    return document


def parse_yaml(text: str) -> Any:
    """What a YAML document holds; None if that is nothing. No tag makes an object.

    Raises
    ------
    ValueError
        It is none, or one that says a key twice, or too large or too deep when its aliases are followed.
    """
    try:
        return yaml.load(text, _StrictLoader)
    except RecursionError as exc:
        raise ValueError(_TOO_DEEP) from exc
    except yaml.YAMLError as exc:
        raise ValueError(" ".join(str(exc).split())) from exc


class _StrictLoader(yaml.SafeLoader):
    def get_single_node(self) -> yaml.Node | None:
        """The document, before anything is made of it."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _check_nodes(node)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, after a look at its keys: YAML forbids one twice, and PyYAML lets it pass."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.YAMLError(f"{key.value!r} stands twice, {key.start_mark}")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _check_nodes(root: yaml.Node) -> None:
    """Count nodes as often as they are used: an alias is a node that was counted before."""
    # Node to how many there are in it, and how deep it is; None while its own parts are looked at.
    known: dict[int, tuple[int, int] | None] = {}
    left = [root]
    while left:
        parts = _parts_of(left[-1])
        unknown = [part for part in parts if id(part) not in known]
        if id(left[-1]) not in known:
            known[id(left[-1])] = None
        if unknown:
            left += unknown
            continue
        node = left.pop()
        counts = [known[id(part)] for part in parts]
        if None in counts:
            raise yaml.YAMLError(f"it holds itself, {node.start_mark}")
        n_nodes = 1 + sum(count[0] for count in counts if count)
        depth = 1 + max((count[1] for count in counts if count), default=0)
        if n_nodes > _MAX_YAML_NODES or depth > _MAX_DEPTH:
            raise yaml.YAMLError(_TOO_DEEP if depth > _MAX_DEPTH else f"it is more than {_MAX_YAML_NODES} values")
        known[id(node)] = n_nodes, depth


def _parts_of(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(_MAX_DEPTH):
        level = [part for value in level for part in _values_of(value)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _values_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it holds the number {text[:20]}, which is too large")
    return number


def _parse_int(text: str) -> int:
    # The length first: Python itself refuses to read thousands of digits.
    number = int(text) if len(text) < 25 else _MAX_INTEGER + 1
    if abs(number) > _MAX_INTEGER:
        raise ValueError(f"it holds the number {text[:20]}…, which is too large")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number")
