"""The folder that a scoring run writes to.

::

    SCORES/predictions, per_genre, segments, metrics.json          of one model
    SCORES/models/<name>/...                                       the same, of each of several
    SCORES/comparison.json                                         of several: which of them is right where
    SCORES/features                                                of an input of audio
    SCORES/_scoring                                                while a run is at work, or was cut off
"""

import json
from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from deepsound.errors import OutputError
from deepsound.spark.hadoop import HadoopPath, storage_errors
from deepsound.spark.score_input import NamedModel

PARTS = "_scoring"
_TABLES = ("predictions", "per_genre", "segments")
_SUMMARY, _SCORECARD = "metrics.json", "scorecard.html"
_MODELS, _COMPARISON, _FEATURES = "models", "comparison.json", "features"
_OF_A_MODEL = (*_TABLES, _SUMMARY, _SCORECARD)
_OURS = frozenset({*_OF_A_MODEL, _MODELS, _COMPARISON, _FEATURES, PARTS})


class ModelFolder:
    """Where the scores of one model go."""

    def __init__(self, path: HadoopPath) -> None:
        self._path = path

    def write(self, table: str, rows: DataFrame) -> None:
        """Write a table, in the place of what was there.

        Raises
        ------
        OutputError
            The storage refuses.
        """
        with storage_errors(f"cannot write to {self._path.uri}"):
            rows.write.mode("overwrite").parquet(self._path.child(table).uri)

    def write_json(self, name: str, document: Any) -> None:
        """Write a JSON file."""
        self._path.child(name).write_text(json.dumps(document, indent=2, allow_nan=False))

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        self._path.child(name).write_text(text)

    def remove(self, names: Sequence[str]) -> None:
        """Remove what an earlier run wrote."""
        for name in names:
            self._path.child(name).delete()


class ScoresFolder:
    """The output as a whole."""

    def __init__(self, path: HadoopPath) -> None:
        self.path = path

    @property
    def features_path(self) -> str:
        """Where an input of audio is extracted to."""
        return self.path.child(_FEATURES).uri

    def folders(self, models: Sequence[NamedModel]) -> list[ModelFolder]:
        """A folder for each model: the output itself, where there is but one."""
        if len(models) == 1:
            return [ModelFolder(self.path)]
        return [ModelFolder(self.path.child(_MODELS).child(model.name)) for model in models]

    def reopen(self) -> None:
        """Take away the signs of a finished run, so that no old summary stands beside new predictions."""
        for name in (_SUMMARY, _COMPARISON, _SCORECARD, _MODELS):
            self.path.child(name).delete()

    def finish(self, comparisons: list[dict[str, Any]], *, has_timeline: bool) -> None:
        """Leave nothing behind but this run's results."""
        if comparisons:
            ModelFolder(self.path).remove(_TABLES)
            self.path.child(_COMPARISON).write_text(json.dumps(comparisons, indent=2, allow_nan=False))
        elif not has_timeline:
            ModelFolder(self.path).remove(("segments",))
        self.path.child(PARTS).delete()


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
        if not output.is_folder():
            raise OutputError(f"the output {output_path} is a file; wanted a folder")
        strangers = [name for name in output.names() if name not in _OURS]
        if strangers:
            named = ", ".join(sorted(strangers)[:3])
            raise OutputError(f"the output {output_path} holds {named}, which is not ours; give a new folder")
    return folder
