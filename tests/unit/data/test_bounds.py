"""What a parser may read, and how long it may compute."""

import cProfile
import gc
import io
import sys
import time

import pytest

from deepsound.data.bounds import BoundedFile, BoundReachedError, run_bounded
from tests.sounds import BrokenFile

HERE = {__name__.partition(".")[0]}


def bounded(content=b"0123456789", *, max_bytes=100, max_reads=100):
    return BoundedFile(io.BytesIO(content), max_bytes=max_bytes, max_reads=max_reads)


def test_reads_like_a_file():
    file = bounded()
    assert (file.n_bytes, file.tell(), file.read(3), file.tell()) == (10, 0, b"012", 3)
    assert (file.seek(-2, io.SEEK_END), file.read()) == (8, b"89")
    assert (file.seek(1), file.seek(2, io.SEEK_CUR), file.read(2)) == (1, 3, b"34")
    assert (file.seek(50), file.read(5), file.read()) == (50, b"", b"")
    with pytest.raises(OSError, match="before the first byte"):
        file.seek(-1)
    assert file.tell() == 50
    assert file.failure is None


def test_a_length_that_lies_is_cut_before_the_storage_sees_it():
    asked = []

    class Asked(io.BytesIO):
        def read(self, n_bytes=-1):
            asked.append(n_bytes)
            return super().read(n_bytes)

    file = BoundedFile(Asked(b"0123456789"), max_bytes=10, max_reads=1)
    assert file.read(2**62) == b"0123456789"
    assert asked == [10]


def test_bounds_of_bytes_and_of_reads():
    file = bounded(max_bytes=7)
    assert file.read(7) == b"0123456"
    with pytest.raises(BoundReachedError):
        file.read(1)
    file = bounded(max_reads=2)
    assert file.read(0) + file.read(1) == b"0"
    with pytest.raises(BoundReachedError):
        file.read(0)


def test_what_the_storage_said_is_kept():
    error = OSError(5, "on fire")
    file = BoundedFile(BrokenFile(b"0123456789", first_bad=5, error=error), max_bytes=100, max_reads=100)
    assert file.read(5) == b"01234"
    with pytest.raises(OSError, match="on fire"):
        file.read(1)
    assert file.failure is error


def spin():
    """As a parser that is caught in a file, and catches all that is an Exception."""
    while True:
        try:
            len([])
        except Exception:
            continue


def test_computing_is_ended():
    began_s = time.thread_time()
    with pytest.raises(BoundReachedError):
        run_bounded(spin, cpu_s=0.05, within=HERE)
    assert time.thread_time() - began_s >= 0.05
    assert sys.getprofile() is None


def test_the_end_comes_whatever_else_the_interpreter_calls():
    """As the collector of garbage does, which calls back: what is raised there is lost."""
    made, elsewhere = [], {"__name__": "elsewhere"}
    exec("def call_back(phase, info):\n    for _ in range(2000): len([])", elsewhere)
    call_back = elsewhere["call_back"]

    def grow():
        while len(made) < 3_000_000:
            made.append([len(made)])

    gc.callbacks.append(call_back)
    try:
        for _ in range(5):
            with pytest.raises(BoundReachedError):
                run_bounded(grow, cpu_s=0.05, within=HERE)
            made.clear()
    finally:
        gc.callbacks.remove(call_back)


def test_waiting_is_not_computing():
    def wait():
        time.sleep(0.2)
        return [len([]) for _ in range(100)]

    assert len(run_bounded(wait, cpu_s=0.1, within=HERE)) == 100
    assert sys.getprofile() is None


def test_a_profiler_is_left_at_work():
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        assert run_bounded(lambda: sys.getprofile() is not None, cpu_s=0.05, within=HERE)
        assert sys.getprofile() is not None
    finally:
        profiler.disable()
