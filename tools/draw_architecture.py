"""The house in one picture, drawn from the imports: ``make architecture`` writes ``docs/architecture.svg``.

A box is a package or module of deepsound with the first sentence of its docstring. The order from above is that of
the layers in ``.importlinter``. An arrow stands for imports; those that follow from others are left out.
"""

import ast
import configparser
import pathlib
import sys
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

import grimp

ROOT = pathlib.Path(__file__).resolve().parents[1]
_WIDTH, _BOX_HEIGHT, _GAP_Y, _MARGIN = 1160, 46, 30, 16


def read_layers() -> list[list[str]]:
    """Rooms by layer, the highest first, as ``.importlinter`` has them."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    lines = parser["importlinter:contract:layers"]["layers"].split("\n")
    return [
        [part.strip().removeprefix("deepsound.") for part in line.split("|")] for line in lines if line.strip()
    ]


def read_imports() -> dict[str, set[str]]:
    """Room to the rooms that it imports from."""
    graph = grimp.build_graph("deepsound")
    imports: dict[str, set[str]] = {}
    for module in graph.modules - {"deepsound"}:
        room = module.split(".")[1]
        found = {other.split(".")[1] for other in graph.find_modules_directly_imported_by(module) if "." in other}
        imports[room] = imports.get(room, set()) | (found - {room})
    return imports


def reduce_imports(imports: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """The imports that do not follow from others, sorted."""

    def reach(room: str) -> set[str]:
        return imports[room].union(*(reach(other) for other in imports[room])) if imports[room] else set()

    kept = []
    for room, others in sorted(imports.items()):
        for other in sorted(others):
            if not any(other in reach(third) for third in others - {other}):
                kept.append((room, other))
    return kept


def read_sentence(room: str) -> str:
    """The first sentence of a room's docstring."""
    path = ROOT / "deepsound" / room / "__init__.py"
    source = path if path.is_file() else ROOT / "deepsound" / f"{room}.py"
    words = (ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return " ".join(words.split()).split(". ")[0].rstrip(".").replace("`", "")


def draw(layers: Sequence[Sequence[str]], arrows: Sequence[tuple[str, str]], sentences: Mapping[str, str]) -> str:
    """An SVG picture that is read in light and dark."""
    boxes: dict[str, tuple[float, float, float]] = {}
    for row, rooms in enumerate(layers):
        width = (_WIDTH - _MARGIN * (len(rooms) + 1)) / len(rooms)
        for column, room in enumerate(rooms):
            x = _MARGIN + column * (width + _MARGIN)
            boxes[room] = (x, _MARGIN + row * (_BOX_HEIGHT + _GAP_Y), width)
    height = _MARGIN + len(layers) * (_BOX_HEIGHT + _GAP_Y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        'role="img">',
        "<title>The packages of deepsound and what they import from each other</title>",
        "<style>.b{fill:#f4f6fa;stroke:#5b6b8c}.t{fill:#18202f}.l{stroke:#5b6b8c;fill:none;opacity:.35}"
        "@media (prefers-color-scheme: dark){.b{fill:#1d2433}.t{fill:#e8ecf4}}</style>",
    ]
    for start, end in arrows:
        (x1, y1, w1), (x2, y2, w2) = boxes[start], boxes[end]
        top, bottom = y1 + _BOX_HEIGHT, y2
        mid_1, mid_2 = x1 + w1 / 2, x2 + w2 / 2
        bend = (top + bottom) / 2
        parts.append(
            f'<path class="l" d="M{mid_1:.0f} {top:.0f}C{mid_1:.0f} {bend:.0f} {mid_2:.0f} {bend:.0f} '
            f'{mid_2:.0f} {bottom:.0f}"/>'
        )
    for room, (x, y, width) in boxes.items():
        n_characters = int(width / 6.2)
        words = sentences[room]
        words = words if len(words) <= n_characters else words[: n_characters - 1].rsplit(" ", 1)[0] + " …"
        parts.append(
            f"<g><title>{escape(sentences[room])}</title>"
            f'<rect class="b" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{_BOX_HEIGHT}" rx="6"/>'
            f'<text class="t" x="{x + 10:.0f}" y="{y + 19:.0f}" font-size="14" font-weight="bold">{room}</text>'
            f'<text class="t" x="{x + 10:.0f}" y="{y + 36:.0f}" font-size="11">{escape(words)}</text></g>'
        )
    return "\n".join([*parts, "</svg>", ""])


def main(argv: Sequence[str]) -> int:
    """Write the picture; the exit code."""
    target = pathlib.Path(argv[0]) if argv else ROOT / "docs" / "architecture.svg"
    layers, imports = read_layers(), read_imports()
    if unplaced := sorted(set(imports) - {room for rooms in layers for room in rooms}):
        print(f".importlinter gives no layer to {', '.join(unplaced)}", file=sys.stderr)
        return 2
    sentences = {room: read_sentence(room) for rooms in layers for room in rooms}
    target.write_text(draw(layers, reduce_imports(imports), sentences), encoding="utf-8")
    print(f"{target}: {len(sentences)} rooms")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
