"""A figure as SVG that stands in a page: in the page's colours and font, with titles, without a single id."""

import re
import xml.etree.ElementTree as ET

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from deepsound.console import to_printable
from deepsound.evaluation.render.chart_style import PICK, TITLE, WIDTH, Colour, save_figure

_HREF = "{http://www.w3.org/1999/xlink}href"
_VARIABLES = {colour.value: f"var(--{colour.name.lower()})" for colour in Colour}
_COLOUR = re.compile("|".join(_VARIABLES))
_FONT_FAMILY = re.compile("font-family: [^;]*; ")
_PICK = re.compile(r"[a-z]+=[A-Za-z0-9._~,%-]+")
_BUTTON = {"role": "button", "tabindex": "0"}
_DECIMALS = re.compile(r"(\.\d\d)\d+")


def to_inline_svg(figure: Figure, *, label: str) -> Markup:
    """The figure as an ``svg`` element, scaled to where it stands.

    Colours of the palette become the variables of the style sheet, which knows light and dark. Shapes that
    matplotlib defines once and refers to by ids are put where they are used, and what clips by ids is not clipped:
    nothing of one chart can be taken for another's.

    Parameters
    ----------
    label : str
        What a screen reader says of it.
    """
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        # XML of our own making, in which matplotlib escaped whatever text there is.
        drawn = ET.fromstring(save_figure(figure, kind="svg"))
    defined = {shape.get("id"): shape for shape in drawn.iter() if shape.get("id")}
    svg = ET.Element("svg", {"viewBox": drawn.attrib["viewBox"], "role": "img", "aria-label": to_printable(label)})
    width = float(drawn.attrib["viewBox"].split()[2])
    if width > 1.3 * WIDTH:
        # A large taxonomy is scrolled: numbers too small to read are no numbers.
        svg.set("style", f"min-width:{width:.0f}px")
    _copy_into(svg, drawn, defined)
    if svg.find(".//g[@data-pick]") is not None:
        svg.set("role", "group")  # nobody can reach what is in a picture
    return Markup(ET.tostring(svg, encoding="unicode"))


def _copy_into(parent: ET.Element, drawn: ET.Element, defined: dict[str | None, ET.Element]) -> None:
    for shape in drawn:
        tag = shape.tag.partition("}")[2]
        if tag == "g":
            title = shape.get("id", "")
            group = parent
            if title.startswith(TITLE):
                words, _, pick = title.removeprefix(TITLE).rpartition(PICK)
                is_pick = bool(words and _PICK.fullmatch(pick))
                group = ET.SubElement(parent, "g", _BUTTON | {"data-pick": pick} if is_pick else {})
                ET.SubElement(group, "title").text = words if is_pick else title.removeprefix(TITLE)
            _copy_into(group, shape, defined)
        elif tag == "use":
            path = defined[shape.attrib[_HREF].removeprefix("#")]
            place = f"translate({shape.attrib['x']} {shape.attrib['y']})"
            _add(parent, "path", {"d": path.attrib["d"], "transform": place, "style": shape.get("style", "")})
        elif tag == "path":
            _add(parent, tag, shape.attrib)
        elif tag == "text":
            _add(parent, tag, shape.attrib).text = shape.text


def _add(parent: ET.Element, tag: str, attributes: dict[str, str]) -> ET.Element:
    kept = {}
    for name, value in attributes.items():
        if name == "clip-path" or value.startswith("rotate(-0 "):
            continue
        if name == "style":
            value = _FONT_FAMILY.sub("", _COLOUR.sub(lambda found: _VARIABLES[found[0]], value))
        kept[name] = " ".join(_DECIMALS.sub(r"\1", value).split())
    return ET.SubElement(parent, tag, kept)
