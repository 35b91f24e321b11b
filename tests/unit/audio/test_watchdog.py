import math
import subprocess
import sys
import time

import pytest

from deepsound.audio.watchdog import watchdog

_BLOCK = """
import math, re, time
from deepsound.audio.sndfile import quiet_stderr
from deepsound.audio.watchdog import watchdog
def hang_with_lock():
    re.match("(a+)+b", "a" * 99)
def sleep():
    time.sleep(100)
def sleep_quietly():
    with quiet_stderr():
        sleep()
with watchdog({seconds}):
    {block}
print("alive")
"""


def run(seconds, block):
    started = time.monotonic()
    code = _BLOCK.format(seconds=seconds, block=block)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return ended, time.monotonic() - started


@pytest.mark.parametrize("hang", ["hang_with_lock", "sleep", "sleep_quietly"])
def test_a_block_that_hangs_ends_the_process_and_says_where(hang):
    ended, seconds = run(0.3, f"{hang}()")
    assert ended.returncode == 1
    assert "alive" not in ended.stdout
    assert f"in {hang}" in ended.stderr
    assert seconds < 50


@pytest.mark.parametrize(("seconds", "block"), [(0.4, "pass"), (30, "time.sleep(0.1)"), ("math.inf", "pass")])
def test_a_block_that_ends_in_time_leaves_no_watchdog_behind(seconds, block):
    ended, _ = run(seconds, block + "\ntime.sleep(0.8)")
    assert (ended.returncode, ended.stdout) == (0, "alive\n")


def test_an_error_in_the_block_goes_through_and_ends_the_watch():
    with pytest.raises(ZeroDivisionError), watchdog(0.2):
        raise ZeroDivisionError
    time.sleep(0.4)


@pytest.mark.parametrize("seconds", [math.inf, 1e300])
def test_any_time_will_do(seconds):
    with watchdog(seconds):
        pass
