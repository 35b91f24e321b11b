"""What commands share, in a process of its own: where its standard error goes is at stake."""

import subprocess
import sys

CHATTY = """
import logging, os, sys
from deepsound.native_logs import muted_native_logs
with muted_native_logs():
    # As TensorFlow's, which is made while it is imported.
    handler = logging.StreamHandler(sys.stderr)
    os.write(2, b"native\\n")
    sys.stderr.write("within\\n")
logging.getLogger("library").addHandler(handler)
logging.getLogger("library").warning("later")
with muted_native_logs():
    os.write(2, b"native\\n")
    sys.stderr.write("again\\n")
os.write(2, b"after\\n")
"""


def test_native_logs_are_muted_and_a_log_that_was_opened_meanwhile_goes_on():
    done = subprocess.run([sys.executable, "-c", CHATTY], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["within", "later", "again", "after"]
