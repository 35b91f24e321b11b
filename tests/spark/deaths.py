"""A driver that dies between two changes of its output."""

import pytest

from deepsound.spark.hadoop import HadoopPath


class _Killed(BaseException):
    """What a kill would do: nothing behind it is run."""


def outlives(n, run, *args, changes=("move_to", "replace", "write_text", "delete"), **kwargs):
    """Run something that dies right behind its n-th change of the storage; whether it was over before."""
    n_changes = iter(range(1, 10_000))

    def dying(change):
        def change_or_die(*args):
            change(*args)
            if next(n_changes) == n:
                raise _Killed

        return change_or_die

    with pytest.MonkeyPatch.context() as patch:
        for name in changes:
            patch.setattr(HadoopPath, name, dying(getattr(HadoopPath, name)))
        try:
            run(*args, **kwargs)
        except _Killed:
            return False
    return True
