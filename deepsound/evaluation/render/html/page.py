"""A page of sections, each of a few kinds of blocks, as one HTML document that needs no network.

Its one script plays clips and lists tracks; without it, everything can still be read and heard. It is the only one
that the page's security policy lets run, told by its digest.
"""

import base64
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import jinja2
from markupsafe import Markup

from deepsound.errors import ParameterError
from deepsound.evaluation.examples import Examples
from deepsound.evaluation.render.html.players import Player, to_script_data

# Rows of a table and lines of a list that a page shows, and characters of one: whatever was evaluated, it stays
# below 3 MB without its sound.
_MOST, _MOST_CHARACTERS = 200, 400
# Of a relative address no character that could make it a scheme, another host or markup.
_SAFE_URL = re.compile(r"https?://[!-~]+|(?!//)[A-Za-z0-9._~/%?#&=+-]+")


@dataclass(frozen=True, kw_only=True)
class Link:
    """Words that lead to a web page, or to a file that lies beside this one.

    Raises
    ------
    ParameterError
        If the address is neither http, https nor relative; :func:`link_or_text` gives the words alone then.
    """

    text: str
    url: str

    def __post_init__(self) -> None:
        if not _SAFE_URL.fullmatch(self.url):
            raise ParameterError(f"a link to {self.url!r}; wanted http, https or a relative address")


def link_or_text(text: str, *, url: str | None) -> Link | str:
    """A link where there is an address that one may follow, else the text."""
    return Link(text=text, url=url) if url is not None and _SAFE_URL.fullmatch(url) else text


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawing, with words below."""

    svg: Markup
    caption: str = ""
    kind: str = "chart"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first column names its rows. ``title`` set, it is folded away under it.

    ``picks`` are the tracks that a click on each row lists, as
    :func:`~deepsound.evaluation.render.chart_style.pick_of` names them.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    picks: tuple[str, ...] = ()
    title: str = ""
    kind: str = "table"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Names with their values. ``title`` set, they are folded away under it."""

    pairs: tuple[tuple[str, str | Link], ...]
    title: str = ""
    kind: str = "facts"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Lines of text. ``title`` set, they are folded away under it."""

    lines: tuple[str, ...]
    title: str = ""
    kind: str = "listing"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A line for a shell, to be copied."""

    text: str
    kind: str = "command"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A sentence that should not be overlooked."""

    text: str
    kind: str = "notice"


@dataclass(frozen=True, kw_only=True)
class Players:
    """Tracks as cards, each with what is to be heard of it. ``title`` set, it stands above them."""

    cards: tuple[Player, ...]
    title: str = ""
    kind: str = "players"


@dataclass(frozen=True, kw_only=True)
class TrackMap:
    """A map of the page's tracks, which its script draws; ``caption`` stands below."""

    caption: str
    kind: str = "map"


Block = Chart | Table | Facts | Listing | Command | Notice | Players | TrackMap


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page; a wide one takes the whole width where others stand in two columns."""

    title: str
    blocks: tuple[Block, ...]
    lead: str = ""
    is_wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The one figure, with its interval and what it is of; ``words`` stand for it where there is no share."""

    share: float | None
    low: float | None
    high: float | None
    of: str
    remarks: tuple[str, ...] = ()
    words: str = "no figure"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole scorecard; ``badges`` are (words, style) with the style good, bad or plain.

    ``picks`` are the ``examples`` that a click lists, from
    :func:`~deepsound.evaluation.render.html.picks.find_picks`.
    """

    title: str
    subtitle: str
    headline: Headline
    badges: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    footer: str
    examples: Examples = field(default_factory=lambda: Examples(genres=()))
    picks: Mapping[str, Sequence[int]] = field(default_factory=dict)


def render_page(page: Page) -> str:
    """The page as HTML."""
    environment = _environment()
    script = Markup(environment.get_template("scorecard.js").render())
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    data = {**to_script_data(page.examples), "picks": dict(page.picks)}
    return environment.get_template("scorecard.html").render(
        page=page, script=script, digest=digest, data=data, most=_MOST
    )


@functools.lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("deepsound.evaluation.render.html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["brief"] = _brief
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return environment


def _brief(words: str) -> str:
    return words if len(words) <= _MOST_CHARACTERS else f"{words[: _MOST_CHARACTERS - 1]}…"
