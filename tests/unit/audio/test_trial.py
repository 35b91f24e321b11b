"""A decoder that hangs or crashes takes down a child process; the fake ones stand in its import path."""

import io
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from deepsound.audio.trial import try_decoding
from deepsound.errors import AudioTimeoutError, AudioUnreadableError
from tests.sounds import BrokenFile, encode, write_pcm

WAV = write_pcm("WAV", "PCM_16", 8000, 1)
# A search without end, in C, that holds the interpreter's lock.
HANG = "import re; re.match('(a+)+b', 'a' * 99)"
FAKE_SOUNDFILE = """
class SoundFileError(Exception):
    pass
def SoundFile(source):
    {body}
"""


@pytest.fixture
def fake_decoder(tmp_path, monkeypatch):
    """A function that makes children decode by a soundfile whose opening runs this."""

    def fake(body):
        folder = tmp_path / "fake"
        folder.mkdir()
        (folder / "soundfile.py").write_text(FAKE_SOUNDFILE.format(body=body))
        monkeypatch.syspath_prepend(folder)

    return fake


def trial(content, *, timeout_s=60.0, max_duration_s=60.0):
    return try_decoding(io.BytesIO(content), timeout_s=timeout_s, max_duration_s=max_duration_s)


@pytest.mark.parametrize("content", [WAV, encode("ipod", "aac"), b"RIFF....WAVEjunk", b"just words", b""])
def test_what_ends_by_itself_is_safe_well_decoded_or_not(content):
    assert trial(content) is None


def test_a_hang_is_a_timeout(fake_decoder):
    fake_decoder(HANG)
    error = trial(WAV, timeout_s=1.0)
    assert isinstance(error, AudioTimeoutError)
    # By the parent, as it says: the child's own watchdog would come ten seconds later.
    assert str(error) == "the decoder hung: it was killed after decode_timeout_s = 1 s"


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGFPE", "SIGKILL"])
def test_a_crash_is_unreadable(fake_decoder, name):
    number = int(getattr(signal, name))
    fake_decoder(f"import os; os.kill(os.getpid(), {number})")
    error = trial(WAV)
    assert isinstance(error, AudioUnreadableError)
    assert str(error) == f"the decoder died of signal {number} in a process of its own"


def test_a_decoder_that_exits_is_unreadable(fake_decoder):
    fake_decoder("import os; os.write(2, b'no more\\nlost\\n'); os._exit(7)")
    error = trial(WAV)
    assert isinstance(error, AudioUnreadableError)
    assert str(error) == "a trial of the decoder ended with 7: lost"


def test_a_bug_is_an_end_that_will_be_met_again(fake_decoder):
    fake_decoder("raise ZeroDivisionError('oops')")
    assert trial(WAV) is None


def test_the_decoder_sees_the_whole_file(fake_decoder, tmp_path):
    seen = tmp_path / "seen"
    fake_decoder(f"import pathlib; pathlib.Path({str(seen)!r}).write_bytes(source.read())")
    for content in (WAV, WAV[:100]):
        file = io.BytesIO(content)
        file.seek(50)
        assert try_decoding(file, timeout_s=60, max_duration_s=60) is None
        assert seen.read_bytes() == content
    path = tmp_path / "x.wav"
    path.write_bytes(WAV + b"more")
    with path.open("rb") as opened:
        assert try_decoding(opened, timeout_s=60, max_duration_s=60) is None
    assert seen.read_bytes() == WAV + b"more"


def test_all_blocks_are_decoded(fake_decoder):
    """The crash comes only at the third block."""
    fake_decoder("return Sound()")
    with (pathlib.Path(sys.path[0]) / "soundfile.py").open("a") as module:
        module.write("""
class Sound:
    frames, samplerate, channels, format, n_reads = 1000, 8000, 1, 'WAV', 0
    def __enter__(self):
        return self
    def __exit__(self, *_):
        pass
    def read(self, n_frames, **_):
        import numpy, os, signal
        self.n_reads += 1
        if self.n_reads == 3:
            os.kill(os.getpid(), signal.SIGSEGV)
        return numpy.zeros((n_frames, 1), 'float32')
""")
    assert "signal 11" in str(trial(WAV, max_duration_s=1000.0))
    # Longer than allowed: decoding ends there, before the third block.
    assert trial(WAV, max_duration_s=40.0) is None


def test_a_storage_that_fails():
    file = BrokenFile(WAV, first_bad=0)
    error = try_decoding(file, timeout_s=60, max_duration_s=60)
    assert isinstance(error, AudioUnreadableError)
    assert "the disk is on fire" in str(error)


def test_a_pipe_is_read_whole(fake_decoder, tmp_path):
    seen = tmp_path / "seen"
    fake_decoder(f"import pathlib; pathlib.Path({str(seen)!r}).write_bytes(source.read())")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run(command("-"), input=WAV, env=environment, timeout=60, check=True).returncode == 0
    assert seen.read_bytes() == WAV


def command(*options):
    return [sys.executable, "-m", "deepsound.audio.trial", *options, "--max-duration-s", "60", "--timeout-s", "60"]


def test_the_command_takes_a_pipe(tmp_path):
    ended = subprocess.run(command("-"), input=WAV, capture_output=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, b"ready\n")
    (tmp_path / "x.wav").write_bytes(WAV)
    assert subprocess.run(command(str(tmp_path / "x.wav")), capture_output=True, timeout=60).returncode == 0


def test_a_child_without_a_parent_does_not_hang_for_ever(tmp_path):
    (tmp_path / "soundfile.py").write_text(FAKE_SOUNDFILE.format(body=HANG))
    (tmp_path / "x.wav").write_bytes(WAV)
    code = (
        "import sys; from deepsound.audio import trial; trial._ORPHAN_S = 0.5; "
        f"trial.main([{str(tmp_path / 'x.wav')!r}, '--max-duration-s', '60', '--timeout-s', '0.5'])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=60)
    assert ended.returncode == 1
    assert b"Timeout" in ended.stderr
