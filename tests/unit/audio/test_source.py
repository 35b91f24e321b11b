import hashlib
import io
import math

import numpy as np
import pyarrow as pa
import pytest

from deepsound.audio.limits import DecodeLimits
from deepsound.audio.source import AudioSource
from deepsound.errors import AudioTimeoutError, AudioTooLargeError, AudioUnreadableError
from tests.sounds import BrokenFile

CONTENT = bytes(range(256)) * 10


def make_source(file=None, *, timeout_s=math.inf):
    limits = DecodeLimits(max_duration_s=1, timeout_s=timeout_s)
    return AudioSource(io.BytesIO(CONTENT) if file is None else file, limits=limits)


def test_reads_and_seeks_as_a_file_does():
    source, file = make_source(), io.BytesIO(CONTENT)
    for offset, whence, n_bytes in [
        (0, 0, 10),
        (5, 1, 7),
        (-12, 1, 3),
        (-20, 2, 100),
        (2000, 0, -1),
        (5000, 0, 4),
    ]:
        assert source.seek(offset, whence) == file.seek(offset, whence)
        assert source.read(n_bytes) == file.read(n_bytes)
        assert source.tell() == file.tell()
    source.seek(100)
    buffer = bytearray(6)
    assert source.readinto(memoryview(buffer)) == 6
    assert bytes(buffer) == CONTENT[100:106]


def test_a_damaged_header_cannot_move_it_before_the_first_byte():
    source = make_source()
    source.seek(7)
    assert source.seek(-8, io.SEEK_CUR) == source.seek(-9999, io.SEEK_END) == source.seek(-1) == 7


def test_decoders_see_the_file_from_where_it_begins():
    source = make_source()
    source.begin_at(56)
    assert source.read(4) == CONTENT[56:60]
    assert source.seek(0, io.SEEK_END) == len(CONTENT) - 56
    assert source.read(1) == b""
    assert source.seek(-1, io.SEEK_END) == len(CONTENT) - 57
    assert source.read(9) == CONTENT[-1:]
    assert source.peek(0, 3) == CONTENT[:3]


class CountingFile(io.BytesIO):
    n_reads = 0

    def read(self, n_bytes=-1):
        self.n_reads += 1
        return super().read(n_bytes)


def test_small_reads_are_served_from_few_of_the_storage():
    content = np.random.default_rng(0).bytes(300_000)
    file = CountingFile(content)
    source = make_source(file)
    assert b"".join(iter(lambda: source.read(100), b"")) == content
    assert file.n_reads <= 6


def test_any_mixture_of_reads_gives_the_bytes_of_the_file():
    rng = np.random.default_rng(0)
    content = rng.bytes(300_000)
    source, file = make_source(io.BytesIO(content)), io.BytesIO(content)
    for _ in range(3000):
        if rng.random() < 0.3:
            place = int(rng.integers(0, len(content) + 10))
            assert source.seek(place) == file.seek(place)
        n_bytes = int(rng.choice([1, 4, 700, 4096, 4097, 70_000]))
        assert source.read(n_bytes) == file.read(n_bytes)


def test_what_was_read_before_a_new_beginning_is_forgotten():
    file = io.BytesIO(CONTENT)
    source = make_source(file)
    assert source.read(10) == CONTENT[:10]
    file.getbuffer()[:10] = bytes(10)
    source.begin_at(0)
    assert source.read(10) == bytes(10)


@pytest.mark.parametrize("n_bytes", [0, 1, (1 << 20) - 1, 1 << 20, (3 << 20) + 5])
def test_digest(n_bytes):
    content = np.random.default_rng(0).bytes(n_bytes)
    source = make_source(io.BytesIO(content))
    source.read(100)
    assert source.compute_sha256(max_bytes=n_bytes) == hashlib.sha256(content).hexdigest()


def test_more_bytes_than_allowed_are_not_read():
    file = BrokenFile(CONTENT, first_bad=0)
    with pytest.raises(AudioTooLargeError, match="2560 bytes; max_bytes is 2559"):
        make_source(file).compute_sha256(max_bytes=2559)


def test_arrow_files_will_do():
    assert make_source(pa.BufferReader(CONTENT)).compute_sha256(max_bytes=9999) == make_source().compute_sha256(
        max_bytes=9999
    )
    assert make_source(pa.BufferReader(CONTENT)).peek(10, 3) == CONTENT[10:13]


def test_a_failed_read_is_the_end_for_decoders_and_told_afterwards():
    source = make_source(BrokenFile(CONTENT, first_bad=1000))
    assert source.read(900) == CONTENT[:900]
    source.check()
    assert not source.has_failed
    assert source.read(200) == b""
    assert source.read(1) == b""
    assert source.has_failed
    with pytest.raises(AudioUnreadableError, match="the storage does not give the bytes: the disk is on fire"):
        source.check()
    with pytest.raises(AudioUnreadableError):
        source.peek(0, 1)


def test_an_error_of_another_kind_stays_what_it_is():
    source = make_source(BrokenFile(CONTENT, first_bad=0, error=ZeroDivisionError("oops")))
    assert source.read(1) == b""
    with pytest.raises(ZeroDivisionError, match="oops"):
        source.check()


def test_a_file_that_cannot_seek():
    class Pipe(io.BytesIO):
        def seek(self, *_):
            raise io.UnsupportedOperation("underlying stream is not seekable")

    with pytest.raises(AudioUnreadableError, match="not seekable"):
        make_source(Pipe(CONTENT))


def test_when_the_time_is_up_there_is_nothing_more_to_read():
    source = make_source(timeout_s=0)
    with source.limits.timed():
        assert source.read(1) == b""
    with pytest.raises(AudioTimeoutError, match=r"more than decode_timeout_s = 0 s"):
        source.check()
