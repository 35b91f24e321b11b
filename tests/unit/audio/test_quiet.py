"""Decoders that talk on standard error are not heard, and what else is written there is."""

import concurrent.futures
import os
import subprocess
import sys

import numpy as np

from deepsound.audio.sndfile import quiet_stderr
from tests.sounds import write_pcm

_DECODE = """
import io, sys
from deepsound.audio.decode import decode_audio
print(decode_audio(io.BytesIO(sys.stdin.buffer.read()), max_duration_s=99).format.container)
print("my own words", file=sys.stderr)
"""


def test_libmpg123_is_not_heard():
    """Its words on damaged frames came twice a second in the logs of a real collection."""
    content = bytearray(write_pcm("MP3", "MPEG_LAYER_III", 44100, 2, seconds=2.0))
    rng = np.random.default_rng(2)
    for place in rng.integers(1000, len(content), 40):
        content[place] = rng.integers(256)
    done = subprocess.run([sys.executable, "-c", _DECODE], input=bytes(content), capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"mp3\n", b"my own words\n")


def test_standard_error_is_there_again_whoever_ends_last(capfd):
    def use(_):
        with quiet_stderr():
            os.write(2, b"inside\n")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(500)))
    os.write(2, b"outside\n")
    assert capfd.readouterr().err == "outside\n"


def test_a_process_without_standard_error_decodes():
    script = (
        "import os; os.close(2)\nfrom deepsound.audio.sndfile import quiet_stderr\nwith quiet_stderr(): print(1)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"1\n"
