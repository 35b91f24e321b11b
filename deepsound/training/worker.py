"""The other end of :mod:`deepsound.training.workers`: ``python -m deepsound.training.worker``.

Lines of JSON in and out. First comes what the data are read by; then, again and again, settings come in and folds
go out, each answered by whether to go on. When the other end is gone, however that came about, so is this process.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Iterator
from typing import Any, TextIO

from deepsound.config import HEADS, TrainSettings
from deepsound.errors import first_line
from deepsound.settings import from_plain
from deepsound.training.trials import FoldEvaluator


class _StoppedError(Exception):
    """The other end wants no further fold."""


def serve(messages: Iterator[dict[str, Any]], output: TextIO) -> None:
    """Evaluate what comes in until nothing more does."""

    def send(**message: Any) -> None:
        output.write(json.dumps(message) + "\n")
        output.flush()

    def report_fold(number: int, accuracy: float) -> None:
        send(fold=number, accuracy=accuracy)
        if not next(messages)["go_on"]:
            raise _StoppedError

    start = next(messages)
    for name, address in start["heads"].items():
        HEADS.register(name, address)
    evaluate = FoldEvaluator(
        features=start["features"],
        settings=from_plain(TrainSettings, start["settings"], where="a search"),
        n_threads=start["n_threads"],
    )
    for message in messages:
        settings = from_plain(TrainSettings, message["settings"], where="a search")
        try:
            evaluate(settings, report_fold)
        except _StoppedError:
            send(end="stopped")
        except Exception as exc:  # whatever a trial dies of, the search goes on with the next
            send(end="failed", reason=f"{type(exc).__name__}: {first_line(exc)}")
        else:
            send(end="done")


def _read_messages() -> Iterator[dict[str, Any]]:
    """Messages as they come. A thread waits for them, so that the end of all is noticed during a training, too."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield json.loads(lines.get())


def main() -> None:
    """Serve on standard input and output."""
    output = os.fdopen(os.dup(1), "w")
    # What libraries print must not get among the messages.
    os.dup2(2, 1)
    serve(_read_messages(), output)


if __name__ == "__main__":
    main()
