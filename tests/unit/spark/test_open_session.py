"""Sessions around a block: what interrupts them, what ends them, and what is refused before they start."""

import os
import signal

import pytest
from py4j.protocol import Py4JNetworkError
from pyspark import SparkContext

from deepsound import errors
from deepsound.errors import EngineError, JavaMissingError
from deepsound.spark import java, session


class Session:
    """As much of one as is stopped."""

    def __init__(self):
        self.is_stopped = False
        self.sparkContext = self

    def setLogLevel(self, _):  # noqa: N802
        pass

    def stop(self):
        self.is_stopped = True


@pytest.fixture
def started(monkeypatch):
    """No session is there, and the one that would be started is made up."""
    made = Session()
    monkeypatch.setattr(SparkContext, "_active_spark_context", None)
    monkeypatch.setattr(session, "_start", lambda _: made)
    return made


def test_an_interrupt_while_spark_starts_waits_until_it_can_be_stopped(monkeypatch, started):
    def start(_):
        os.kill(os.getpid(), signal.SIGINT)
        return started

    monkeypatch.setattr(session, "_start", start)
    # A session of other tests may have put Spark's own in its place.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), session.open_session("x"):
            pytest.fail("nothing is done with it")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, former)
    assert started.is_stopped


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (Py4JNetworkError("gone"), EngineError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (errors.InputError("x"), errors.InputError),
        (ZeroDivisionError(), ZeroDivisionError),
    ],
)
def test_a_session_ends_with_its_block(started, raised, expected):
    with pytest.raises(expected), session.open_session("x"):
        raise raised
    assert started.is_stopped


def test_a_call_that_was_cut_off_leaves_a_connection_that_fails_once(monkeypatch, started):
    levels, calls = [], []

    def set_level(level):
        calls.append(level)
        if len(calls) == 1:
            raise Py4JNetworkError("Answer from Java side is empty")
        levels.append(level)

    monkeypatch.setattr(started, "setLogLevel", set_level)
    with pytest.raises(KeyboardInterrupt), session.open_session("test"):
        raise KeyboardInterrupt
    assert (levels, started.is_stopped) == (["OFF"], True)


def test_without_java_no_session(monkeypatch):
    monkeypatch.setattr(java, "find_java", lambda: (None, "no java"))
    with pytest.raises(JavaMissingError, match="no java"):
        session._start("a job")
