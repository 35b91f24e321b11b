"""What a check is: one line, and never a traceback."""

from collections.abc import Callable
from dataclasses import dataclass

from deepsound.console import show
from deepsound.errors import DeepsoundError

OK, WARN, FAIL = "ok", "warn", "fail"
_NAME_WIDTH = 20


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding.

    Attributes
    ----------
    status : str
        ``ok``, ``warn`` (jobs run, but not as they should) or ``fail`` (jobs fail).
    name, found, advice : str
        What was looked at, what was found, and what to do about it; no advice where all is well.
    """

    status: str
    name: str
    found: str
    advice: str = ""

    @property
    def line(self) -> str:
        """``status  name  found  advice``, two spaces or more between them and none inside."""
        columns = (" ".join(text.split()) for text in (self.found, self.advice))
        return f"{self.status:<4}  {self.name:<{_NAME_WIDTH}}  {'  '.join(columns)}".rstrip()


def guard(name: str, look: Callable[[], Check]) -> Check:
    """The finding of a check; one that breaks has found a failure."""
    try:
        return look()
    except DeepsoundError as exc:
        return Check(status=FAIL, name=name, found=str(exc))
    except Exception as exc:
        return Check(
            status=FAIL,
            name=name,
            found=f"the check itself broke: {type(exc).__name__}: {str(exc)[:300]}",
            advice="report it together with the lines above",
        )


class Findings:
    """Prints every check as soon as it is made, and remembers what failed."""

    def __init__(self) -> None:
        self.failed: set[str] = set()

    def add(self, check: Check) -> None:
        """Print a finding."""
        show([check.line])
        if check.status == FAIL:
            self.failed.add(check.name)

    def look(self, name: str, look: Callable[[], Check]) -> None:
        """Make a check, whatever comes of it."""
        self.add(guard(name, look))
