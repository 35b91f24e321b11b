"""A small drawing surface that gives inline SVG; colours are classes, for a page's light and dark styles."""

from collections.abc import Sequence

from markupsafe import Markup, escape

Point = tuple[float, float]


class Drawing:
    """Shapes in the order they are drawn, in units of CSS pixels; x to the right, y down.

    Parameters
    ----------
    width, height : float
        Of the whole drawing; it is scaled to the width of where it stands.
    label : str
        What a screen reader says of it.
    min_width : float, optional
        Below this many pixels it is scrolled, not shrunk.
    """

    def __init__(self, width: float, height: float, *, label: str, min_width: float | None = None) -> None:
        self._size = width, height
        self._label = label
        self._min_width = min_width
        self._shapes: list[Markup] = []

    def line(self, start: Point, end: Point, *, style: str) -> None:
        """A straight line; ``style`` is a class of the page's style sheet."""
        (x1, y1), (x2, y2) = start, end
        self._add('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>', style, x1, y1, x2, y2)

    def path(self, points: Sequence[Point], *, style: str) -> None:
        """Points joined by straight lines."""
        joined = " ".join(f"{_round(x)},{_round(y)}" for x, y in points)
        self._add('<polyline class="{}" points="{}"/>', style, joined)

    def rect(
        self, corner: Point, size: Point, *, style: str, opacity: float | None = None, title: str = ""
    ) -> None:
        """A filled rectangle; ``title`` shows where the pointer rests."""
        (x, y), (width, height) = corner, size
        shown = "" if opacity is None else Markup(' fill-opacity="{}"').format(_round(opacity))
        inside = Markup("<title>{}</title>").format(title) if title else ""
        template = '<rect class="{}" x="{}" y="{}" width="{}" height="{}"{}>{}</rect>'
        self._add(template, style, x, y, max(width, 0.0), max(height, 0.0), shown, inside)

    def circle(self, centre: Point, radius: float, *, style: str, title: str = "") -> None:
        """A disc; ``title`` shows where the pointer rests."""
        inside = Markup("<title>{}</title>").format(title) if title else ""
        self._add('<circle class="{}" cx="{}" cy="{}" r="{}">{}</circle>', style, *centre, radius, inside)

    def text(self, at: Point, words: str, *, style: str = "", anchor: str = "start", turn: float = 0.0) -> None:
        """Words on one line; ``anchor`` is start, middle or end, ``turn`` in degrees around ``at``."""
        x, y = at
        turned = Markup(' transform="rotate({} {} {})"').format(_round(turn), _round(x), _round(y)) if turn else ""
        self._add(
            '<text class="{}" x="{}" y="{}" text-anchor="{}"{}>{}</text>', style, x, y, anchor, turned, words
        )

    def to_markup(self) -> Markup:
        """The drawing as an ``svg`` element."""
        width, height = map(_round, self._size)
        least = (
            "" if self._min_width is None else Markup(' style="min-width:{}px"').format(_round(self._min_width))
        )
        head = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}"{}>').format(
            width, height, self._label, least
        )
        return head + Markup("").join(self._shapes) + Markup("</svg>")

    def _add(self, template: str, *values: object) -> None:
        shown = [escape(_round(v) if isinstance(v, int | float) else v) for v in values]
        self._shapes.append(Markup(template).format(*shown))


def _round(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
