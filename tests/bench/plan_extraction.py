"""``python -m tests.bench.plan_extraction plan|run SOURCE FEATURES``: see :mod:`tests.bench.planning`."""

import sys

from deepsound.spark.extract import RerunPolicy, extract
from deepsound.spark.extract_job import ExtractJob
from deepsound.spark.session import open_session
from tests.bench.planning import SETTINGS


def main(what: str, source: str, features: str) -> None:
    """Plan an extraction and leave it at that, or run it."""
    with open_session("planning") as spark:
        if what == "plan":
            # Whether there is work is found out by planning all of it.
            ExtractJob.run = lambda self, source, **_: print(self.has_work(source))
        extract(spark, source, features, settings=SETTINGS, policy=RerunPolicy(), report=print)


if __name__ == "__main__":
    main(*sys.argv[1:])
