"""The line that tells how far a job is."""

import io
import threading
import time
from types import SimpleNamespace

import pytest

from deepsound.console import Loudness, set_loudness
from deepsound.spark.progress import ExtractProgress


def context():
    return SimpleNamespace(accumulator=lambda start: SimpleNamespace(value=start))


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_the_last_line_tells_where_it_ended_but_an_interrupt_has_the_last_word(error):
    out = io.StringIO()
    progress = ExtractProgress(context())

    def run():
        with progress.shown(n_files=24, stream=out):
            progress.n_done.value = 7
            if error is not None:
                raise error

    if error is None:
        run()
    else:
        with pytest.raises(error):
            run()
    last = out.getvalue().splitlines()[-1:]
    assert [line.startswith("7/24 files, 0 failed") for line in last] == (
        [] if error is KeyboardInterrupt else [True]
    )


def test_nothing_is_said_behind_the_last_word(monkeypatch):
    """The line may be due while an interrupted job comes to its end."""
    monkeypatch.setattr("deepsound.spark.progress.has_ended", ended := threading.Event())
    out = io.StringIO()
    with ExtractProgress(context()).shown(n_files=24, every_s=0.001, stream=out):
        while "0/24" not in out.getvalue():
            time.sleep(0.001)
        ended.set()
        time.sleep(0.01)
        n_said = len(out.getvalue())
        time.sleep(0.05)
    assert len(out.getvalue()) == n_said


def test_nothing_is_said_where_all_is_to_be_quiet():
    out = io.StringIO()
    set_loudness(Loudness.QUIET)
    try:
        with ExtractProgress(context()).shown(n_files=24, every_s=0.001, stream=out):
            time.sleep(0.05)
    finally:
        set_loudness(Loudness.NORMAL)
    assert out.getvalue() == ""
