"""What several Spark tests need to look at."""

import importlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

_ENGINES = ("tensorflow", "keras", "mlflow", "librosa")


@pytest.fixture
def look_at_workers(spark: Any) -> Callable[[str, str], dict[int, Any]]:
    """A function that asks Spark's Python workers what a cached loader has done and which engines they hold.

    It takes the loader's module and name and gives, by process id, rows of hits, misses and engines. Spark keeps
    its workers for a minute, so a look right after a job finds the processes that did its work.
    """

    def look(module: str, name: str) -> dict[int, Any]:
        engines = _ENGINES

        # Inside, so that it travels by value: the workers cannot import the tests.
        def look_around(batches):
            import pyarrow as pa

            for _ in batches:
                cache = getattr(importlib.import_module(module), name).cache_info()
                held = sorted(set(engines) & set(sys.modules))
                time.sleep(0.2)  # so that every worker gets a share of the tasks
                seen = {"pid": [os.getpid()], "hits": [cache.hits], "misses": [cache.misses], "engines": [held]}
                strings = pa.list_(pa.string())
                schema = pa.schema(
                    [("pid", pa.int64()), ("hits", pa.int64()), ("misses", pa.int64()), ("engines", strings)]
                )
                yield pa.RecordBatch.from_pydict(seen, schema=schema)

        tasks = spark.range(0, 8, numPartitions=8)
        rows = tasks.mapInArrow(look_around, "pid long, hits long, misses long, engines array<string>").collect()
        return {row.pid: row for row in rows}

    return look


@pytest.fixture
def count_loads(look_at_workers: Any) -> Callable[[str, str, Callable[[], Any]], tuple[dict[int, int], int, list]]:
    """A function that runs something and tells the loads by process, all uses, and the engines in any worker."""

    def count(module: str, name: str, run: Callable[[], Any]) -> tuple[dict[int, int], int, list]:
        before = look_at_workers(module, name)
        run()
        after = look_at_workers(module, name)

        def grown(what: str) -> dict[int, int]:
            return {pid: row[what] - (before[pid][what] if pid in before else 0) for pid, row in after.items()}

        n_uses = sum(grown("hits").values()) + sum(grown("misses").values())
        return grown("misses"), n_uses, [engine for row in after.values() for engine in row.engines]

    return count
