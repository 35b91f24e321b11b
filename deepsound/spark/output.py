"""The folder an extraction writes to: whose it is, of which settings, and which run is at work in it.

While an extraction is at work or was cut off, ``_extraction.json`` says what it is doing; ``extract.json`` is
there only when it has finished.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from deepsound.credentials import hide_credentials, without_credentials
from deepsound.errors import OutputError
from deepsound.settings import flatten
from deepsound.spark.features import read_fingerprints
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.lease import Lease, check_holds_only, read_json, remove_leftovers

SUMMARY = "extract.json"
STATE = "_extraction.json"
STAGING = "_staging"
TABLES = ("segments", "tracks")
# Settings that change no number, but which tracks fail.
_LIMITS = ("max_duration_s", "max_bytes", "decode_timeout_s", "silence_dbfs")
_OURS = frozenset({*TABLES, SUMMARY, STATE, STAGING})


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """What an extraction is: its fingerprint, its features as ``extract.json`` declares them, its settings."""

    fingerprint: str
    features: dict[str, Any]
    settings: dict[str, Any]
    input: str | None = None

    @property
    def label_source(self) -> str:
        """``labels.from`` of the settings."""
        return str(self.settings["labels"]["from"])

    def describe(self) -> dict[str, Any]:
        """Settings and the features' definitions, flat, for people to compare."""
        definitions = {name: spec.get("definition", {}) for name, spec in self.features.items()}
        return flatten({**self.settings, "definition": definitions})


class OutputFolder:
    """A FEATURES folder that this run works in.

    Attributes
    ----------
    labels_from : str or None
        Where the labels of all rows are from: this run's ``labels.from``, or None until it has seen to that.
    was_cut_off : bool
        Whether a run before this one, when it began, had not come to its end.
    staging : HadoopPath
        Where this run, and no other, puts what is not finished yet.
    """

    def __init__(self, path: HadoopPath, extraction: Extraction, *, scratch: HadoopPath | None = None) -> None:
        self.path = path
        self.extraction = extraction
        self._was_there = path.exists()
        # Rows of another source, and of a run cut off between two, will get new labels; if that is cut off, too,
        # the next run must not take them for either.
        self.labels_from = extraction.label_source if _are_labelled(path, extraction) else None
        self.was_cut_off = False
        self._lease = Lease(path, STATE, work="extraction")
        self.staging = scratch or path.child(STAGING).child(self._lease.token)

    def clear(self) -> None:
        """Remove an extraction. Cut off here, it has not finished, and is still of its old fingerprint."""
        if self.path.child(SUMMARY).exists() and not self.path.child(STATE).exists():
            self.path.child(SUMMARY).move_to(self.path.child(STATE))
        for name in (SUMMARY, *TABLES, STATE):
            self.path.child(name).delete()
        self.labels_from = self.extraction.label_source

    def abandon(self) -> None:
        """Leave the folder as it was found, before anything of this run counted."""
        self.staging.delete()
        staging = self.path.child(STAGING)
        if staging.exists() and not staging.names():
            staging.delete()
        if not self._was_there and self.path.exists() and not self.path.names():
            self.path.delete()

    def begin(self) -> None:
        """Say that this run is at work here; from now on any run before it may write no more."""
        self.was_cut_off = self.path.child(STATE).exists()
        self._lease.make(self._plain())

    def mark_labelled(self) -> None:
        """Say that all rows have their labels from this run's source now."""
        if self.labels_from is None:
            self.check_ours()
            self.labels_from = self.extraction.label_source
            self._lease.make(self._plain())

    def reopen(self) -> None:
        """Take away the sign of a finished extraction, as its tables are about to change."""
        self.path.child(SUMMARY).delete()

    def check_ours(self) -> None:
        """Raise :class:`OutputError` if another run has begun here since."""
        self._lease.check()

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write ``extract.json``, the sign of a finished extraction, and clear away."""
        self.check_ours()
        self.path.child(SUMMARY).write_text(json.dumps({**self._plain(), **summary}, indent=2))
        self.path.child(STAGING).delete()
        self.path.child(STATE).delete()
        # Not at the beginning: another run that begins at that moment may be writing its lease.
        remove_leftovers(self.path, _OURS)

    def _plain(self) -> dict[str, Any]:
        extraction = self.extraction
        return {
            "fingerprint": extraction.fingerprint,
            "features": without_credentials(extraction.features),
            "settings": without_credentials(extraction.settings),
            "labels_from": self.labels_from,
            "input": extraction.input and hide_credentials(extraction.input),
        }


def open_output(
    spark: SparkSession,
    output_path: str,
    *,
    input_path: str,
    extraction: Extraction,
    overwrite: bool,
    scratch: HadoopPath | None,
    report: Callable[[str], None],
) -> OutputFolder:
    """A folder to write features to: new, empty, or an earlier extraction of the same definition.

    Parameters
    ----------
    overwrite : bool
        Whether an earlier extraction may be of another definition, as it is going to make way.
    scratch : HadoopPath, optional
        For what is not finished; without it, a folder below the output.
    report : callable
        Gets the settings side by side, a line each, where they differ.

    Raises
    ------
    OutputError
        The folder is the input, holds something else, or features of another fingerprint.
    SchemaMismatchError
        It holds rows that cannot be read.
    """
    path = HadoopPath(spark, output_path)
    if path.uri == HadoopPath(spark, input_path).uri:
        raise OutputError(f"the output {output_path} is the input folder; give features a folder of their own")
    if path.exists():
        check_holds_only(path, _OURS, output_path=output_path)
        if not overwrite:
            _check_same(path, output_path, extraction, report)
            _check_rows(spark, path, output_path, extraction)
    return OutputFolder(path, extraction, scratch=scratch)


def _check_same(path: HadoopPath, output_path: str, extraction: Extraction, report: Callable[[str], None]) -> None:
    for name in (STATE, SUMMARY):
        if not path.child(name).exists():
            continue
        document = read_json(path.child(name))
        if document.get("fingerprint") == extraction.fingerprint:
            _report_other_limits(document.get("settings") or {}, extraction.settings, report)
            return
        found = str(document.get("fingerprint", "unreadable"))
        for line in side_by_side(_former(document).describe(), extraction.describe()):
            report(line)
        raise OutputError(
            f"{output_path} holds features with the fingerprint {found[:12]}, these settings give "
            f"{extraction.fingerprint[:12]} (side by side above): give another folder, or --overwrite to remove "
            "what is there"
        )


def _check_rows(spark: SparkSession, path: HadoopPath, output_path: str, extraction: Extraction) -> None:
    """Ask the rows, too: whatever became of the files that say what they are, they do not mix with others."""
    found = read_fingerprints(spark, path) - {extraction.fingerprint}
    others = sorted("none" if fingerprint is None else fingerprint[:12] for fingerprint in found)
    if others:
        raise OutputError(
            f"{output_path} holds tracks with the fingerprint {others[0]}, these settings give "
            f"{extraction.fingerprint[:12]}: give another folder, or --overwrite to remove what is there"
        )


def _report_other_limits(there: Mapping[str, Any], here: Mapping[str, Any], report: Callable[[str], None]) -> None:
    for key in _LIMITS:
        if key in there and there[key] != here[key]:
            report(f"{key} was {there[key]}, is now {here[key]}: holds for new, changed and retried files only")


def _are_labelled(path: HadoopPath, extraction: Extraction) -> bool:
    """Whether all rows, if there are any, have their labels from where this extraction has its own."""
    documents = [read_json(path.child(name)) for name in (STATE, SUMMARY)]
    latest = next((document for document in documents if document), None)
    return latest is None or latest.get("labels_from") == extraction.label_source


def _former(document: Mapping[str, Any]) -> Extraction:
    return Extraction(
        fingerprint=str(document.get("fingerprint")),
        features=dict(document.get("features") or {}),
        settings=dict(document.get("settings") or {}),
    )


def side_by_side(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Two flat settings as a table; ``*`` stands before those that differ, which come first."""
    keys = sorted({*there, *here}, key=lambda key: (there.get(key) == here.get(key), key))
    rows = [("", "setting", "in the output", "asked for")]
    for key in keys:
        mark = " " if there.get(key) == here.get(key) else "*"
        there_text, here_text = (str(side[key]) if key in side else "-" for side in (there, here))
        rows.append((mark, key, there_text, here_text))
    widths = [min(40, max(len(row[i]) for row in rows)) for i in (1, 2)]
    return [f"{mark:1} {key:<{widths[0]}}  {a:<{widths[1]}}  {b}".rstrip() for mark, key, a, b in rows]
