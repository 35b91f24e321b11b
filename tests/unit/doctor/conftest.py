import pytest

from deepsound.doctor.machine import LIBRARIES, Machine


@pytest.fixture
def machine():
    """A function that makes a machine on which all is well, but for what it is told."""

    def make(**changes):
        well = {
            "host": "here",
            "python": "3.11.7",
            "executable": "/usr/bin/python",
            "deepsound_version": "1.0",
            "deepsound_folder": "/env/deepsound",
            "deepsound_digest": "a" * 64,
            "libraries": dict.fromkeys(LIBRARIES, "1.0"),
            "formats": {"wav": None, "mp3": None},
            "n_cores": 4,
            "thread_limits": {"OMP_NUM_THREADS": "1"},
            "unwritable": {"/tmp": None},
            "free_bytes": 100_000_000_000,
        }
        return Machine(**{**well, **changes})

    return make
