"""The folder that a scoring run writes to.

::

    SCORES/predictions, per_genre, segments, metrics.json          of one model
    SCORES/models/<name>/...                                       the same, of each of several
    SCORES/comparison.json                                         of several: which of them is right where
    SCORES/features                                                of an input of audio
    SCORES/_scoring                                                while a run is at work, or was cut off
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from deepsound.credentials import without_credentials
from deepsound.errors import OutputError
from deepsound.spark.claim import Claim, check_holds_only, remove_leftovers
from deepsound.spark.hadoop import HadoopPath, storage_errors
from deepsound.spark.score_input import NamedModel
from deepsound.spark.score_parts import CLAIM, PartStore
from deepsound.spark.tables import write_table

_PARTS = "_scoring"
_TABLES = ("predictions", "per_genre", "segments")
_SUMMARY, _SCORECARD = "metrics.json", "scorecard.html"
_MODELS, _COMPARISON, _FEATURES = "models", "comparison.json", "features"
_OF_A_MODEL = (*_TABLES, _SUMMARY, _SCORECARD)
_OURS = frozenset({*_OF_A_MODEL, _MODELS, _COMPARISON, _FEATURES, _PARTS})


class ModelFolder:
    """Where the scores of one model go, as long as no other run has begun there."""

    def __init__(self, path: HadoopPath, claim: Claim) -> None:
        self._path, self._claim = path, claim

    def write(self, table: str, rows: DataFrame) -> None:
        """Write a table, in the place of what was there.

        Raises
        ------
        OutputError
            The storage refuses, or another run has begun.
        """
        self._claim.check()
        with storage_errors(f"cannot write to {self._path.uri}"):
            write_table(rows, self._path.child(table).uri)

    def write_json(self, name: str, document: Any) -> None:
        """Write a JSON file."""
        self.write_text(name, json.dumps(without_credentials(document), indent=2, allow_nan=False))

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        self._claim.check()
        self._path.child(name).write_text(text)

    def remove(self, names: Sequence[str]) -> None:
        """Remove what an earlier run wrote."""
        for name in names:
            self._path.child(name).delete()


class ScoresFolder:
    """The output as a whole."""

    def __init__(self, path: HadoopPath) -> None:
        self.path = path
        self._claim = Claim(path, f"{_PARTS}/{CLAIM}", work="scoring")

    @property
    def features_path(self) -> str:
        """Where an input of audio is extracted to."""
        return self.path.child(_FEATURES).uri

    def folders(self, models: Sequence[NamedModel]) -> list[ModelFolder]:
        """A folder for each model: the output itself, where there is but one."""
        if len(models) == 1:
            return [self._folder(self.path)]
        return [self._folder(self.path.child(_MODELS).child(model.name)) for model in models]

    def begin(self) -> None:
        """Say that this run is at work here, and take away the signs of a finished one.

        No old summary may stand beside new predictions.
        """
        self._claim.make()
        remove_leftovers(self.path, _OURS)
        for name in (_SUMMARY, _COMPARISON, _SCORECARD, _MODELS):
            self.path.child(name).delete()

    def open_parts(self, identity: Mapping[str, Any]) -> PartStore:
        """The parts of this run, or of one before it that would have come to the same."""
        return PartStore(self.path.child(_PARTS), claim=self._claim, identity=identity)

    def finish(self, comparisons: list[dict[str, Any]], *, has_timeline: bool) -> None:
        """Leave nothing behind but this run's results."""
        self._claim.check()
        whole = self._folder(self.path)
        if comparisons:
            whole.remove(_TABLES)
            whole.write_json(_COMPARISON, comparisons)
        elif not has_timeline:
            whole.remove(("segments",))
        self.path.child(_PARTS).delete()

    def _folder(self, path: HadoopPath) -> ModelFolder:
        return ModelFolder(path, self._claim)


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
    folder = ScoresFolder(output)
    if output.exists():
        check_holds_only(output, _OURS, output_path=output_path)
    return folder
