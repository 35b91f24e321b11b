"""The folder that a scoring run writes to.

::

    SCORES/predictions, per_genre, segments, metrics.json          of one model
    SCORES/models/<name>/...                                       the same, of each of several
    SCORES/comparison.json                                         of several: which of them is right where
    SCORES/features                                                of an input of audio
    SCORES/_scoring                                                while a run is at work, or was cut off

All of it is made in a folder of the run's own under ``_scoring`` and moved into place when it is whole; the
summary (``metrics.json``, or ``comparison.json``) is taken away first and comes last. A folder without one is a
scoring that did not finish, and is made anew by the next.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from deepsound.credentials import without_credentials
from deepsound.errors import OutputError
from deepsound.spark.hadoop import HadoopPath, storage_errors
from deepsound.spark.lease import Lease, check_holds_only, remove_leftovers
from deepsound.spark.tables import read_table, write_table

_WORK, _LEASE = "_scoring", "_RUN.json"
_TABLES = ("predictions", "per_genre", "segments")
_SUMMARY, _SCORECARD = "metrics.json", "scorecard.html"
_MODELS, _COMPARISON, _FEATURES = "models", "comparison.json", "features"
_RESULTS = (*_TABLES, _SCORECARD, _MODELS)
_OURS = frozenset({*_RESULTS, _SUMMARY, _COMPARISON, _FEATURES, _WORK})


class Staged:
    """A folder of tables and files that nobody sees yet."""

    def __init__(self, path: HadoopPath, spark: SparkSession) -> None:
        self._path, self._spark = path, spark

    def write(self, table: str, rows: DataFrame) -> DataFrame:
        """Write a table; what is read back of it, so that nothing is computed twice.

        Raises
        ------
        OutputError
            The storage refuses.
        """
        uri = self._path.child(table).uri
        with storage_errors(f"cannot write to {self._path.uri}"):
            write_table(rows, uri)
        return read_table(self._spark, uri, schema=rows.schema)

    def write_json(self, name: str, document: Any) -> None:
        """Write a JSON file."""
        self.write_text(name, json.dumps(without_credentials(document), indent=2, allow_nan=False))

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        self._path.child(name).write_text(text)


class ScoresFolder:
    """The output as a whole."""

    def __init__(self, path: HadoopPath, spark: SparkSession) -> None:
        self.path, self._spark = path, spark
        self._lease = Lease(path, f"{_WORK}/{_LEASE}", work="scoring")
        self._stage = path.child(_WORK).child(self._lease.token)
        self._results = self._stage.child("results")

    @property
    def features_path(self) -> str:
        """Where an input of audio is extracted to."""
        return self.path.child(_FEATURES).uri

    @property
    def work(self) -> Staged:
        """Where what lies between input and results goes."""
        return Staged(self._stage.child("between"), self._spark)

    @property
    def results(self) -> Staged:
        """What will be the output."""
        return Staged(self._results, self._spark)

    def of_models(self, names: Sequence[str]) -> list[Staged]:
        """A folder of results for each model: the output itself, where there is but one."""
        if len(names) == 1:
            return [self.results]
        return [Staged(self._results.child(_MODELS).child(name), self._spark) for name in names]

    def has_results(self) -> bool:
        """Whether a scoring has finished here."""
        return any(self.path.child(name).exists() for name in (_SUMMARY, _COMPARISON))

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Say that this run is at work here, for the length of the block; behind it, move its results into place.

        Raises
        ------
        OutputError
            The storage refuses, or another run has begun here since.
        """
        self.path.child(_WORK).delete()
        self._lease.make()
        try:
            yield
            self._lease.check()
            self._publish()
        except Exception:
            # Whose files are taken away fails over that, and should say so.
            try:
                self._lease.check()
            finally:
                self._stage.delete()
            raise
        self.path.child(_WORK).delete()

    def _publish(self) -> None:
        remove_leftovers(self.path, _OURS)
        for name in (_SUMMARY, _COMPARISON, *_RESULTS):
            self.path.child(name).delete()
        for name in sorted(self._results.names(), key=lambda name: name in (_SUMMARY, _COMPARISON)):
            self._results.child(name).move_to(self.path.child(name))


def open_scores(spark: SparkSession, output_path: str, *, input_path: str) -> ScoresFolder:
    """A folder to write scores to: new, empty, or of an earlier run.

    Raises
    ------
    OutputError
        It is the input, a file, or holds something else.
    """
    output = HadoopPath(spark, output_path)
    if output.uri == HadoopPath(spark, input_path).uri:
        raise OutputError(f"the output {output_path} is the input folder; give scores a folder of their own")
    if output.exists():
        check_holds_only(output, _OURS, output_path=output_path)
    return ScoresFolder(output, spark)
