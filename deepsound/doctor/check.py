"""What a check is: one line, and never a traceback."""

from collections.abc import Callable
from typing import Any

from deepsound.console import show
from deepsound.errors import DeepsoundError

OK, WARN, FAIL = "ok", "warn", "fail"
# A status (with a warning jobs run, but not as they should), what was found, and what to do where all is not well.
Check = tuple[str, ...]


class Findings:
    """Prints every check as soon as it is made, and remembers what failed."""

    def __init__(self) -> None:
        self.failed: set[str] = set()

    def look(self, name: str, *, look: Callable[[], Any], tell: Callable[[Any], Check] = tuple) -> Any:
        """What is seen, which ``tell`` makes a check of; None where the look breaks, which is a failure."""
        seen = None
        try:
            seen = look()
            status, *texts = tell(seen)
        except DeepsoundError as exc:
            status, texts = FAIL, [str(exc)]
        except Exception as exc:
            broken = f"the check itself broke: {type(exc).__name__}: {str(exc)[:300]}"
            status, texts = FAIL, [broken, "report it together with the lines above"]
        self.failed |= {name} if status == FAIL else set()
        # Two spaces or more between columns, and none inside.
        columns = (" ".join(text.split()) for text in texts[: 1 if status == OK else 2])
        show(["  ".join((f"{status:<4}", f"{name:<20}", *columns))])
        return seen
