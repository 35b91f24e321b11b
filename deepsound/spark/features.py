"""A FEATURES folder opened by Spark, its rows held against ``extract.json`` and against each other."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from deepsound.data.contract import (
    SEGMENT_KEYS,
    SUMMARY_NAME,
    FeatureSummary,
    check_columns,
    check_counts,
    check_fingerprints,
    check_no_nulls,
    check_statuses,
    describe_repeated_track,
    describe_wrong_segments,
    parse_summary,
)
from deepsound.errors import InputError, SchemaMismatchError
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.tables import read_table, table_errors

_TRACK_COLUMNS = ("track_id", "status", "error_code", "genre", "n_segments")
# More segments than any track has; a list of their numbers is made for each track.
_MAX_SEGMENTS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class FeatureFrames:
    """Both tables, as section 3 of the contract lays them down, and the summary beside them, also as it was read.

    Spark reads the tables when they are needed, which may be long after they were opened.
    """

    summary: FeatureSummary
    tracks: DataFrame
    segments: DataFrame
    where: str
    file: HadoopPath
    text: str

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Raise :class:`InputError` if an extraction has begun by the end, whatever became of the block."""
        try:
            yield
        except Exception as exc:
            if self._is_as_it_was():
                raise
            raise self._changed() from exc
        if not self._is_as_it_was():
            raise self._changed()

    def _is_as_it_was(self) -> bool:
        # An extraction takes the file away before it changes a table.
        return self.file.exists() and self.file.read_text() == self.text

    def _changed(self) -> InputError:
        return InputError(
            f"an extraction has begun in {self.where} since it was opened; wait until it has finished, "
            "then run again"
        )


def is_features_folder(spark: SparkSession, path: str) -> bool:
    """Whether a finished extraction lies there."""
    return HadoopPath(spark, path).child(SUMMARY_NAME).exists()


def read_features(spark: SparkSession, path: str) -> FeatureFrames:
    """Open a finished extraction.

    Raises
    ------
    InputError
        It cannot be read, or another extraction began there meanwhile.
    SchemaMismatchError
        A table is missing, damaged, or of other columns than the contract's; rows are of several extractions; or
        the segments of a track are not those that ``tracks/`` counts, each once.
    """
    folder = HadoopPath(spark, path)
    file = folder.child(SUMMARY_NAME)
    text = file.read_text()
    summary = parse_summary(text, where=path)
    with table_errors(f"cannot read the tables of {path}", kind=SchemaMismatchError):
        tracks, segments = (read_table(spark, folder.child(name).uri) for name in ("tracks", "segments"))
    frames = FeatureFrames(summary=summary, tracks=tracks, segments=segments, where=path, file=file, text=text)
    with frames.unchanged(), table_errors(f"cannot read the tables of {path}", kind=SchemaMismatchError):
        _check_schemas(tracks, segments, summary, where=path)
        _check_rows(tracks, segments, summary, where=path)
    return frames


def read_fingerprints(spark: SparkSession, folder: HadoopPath) -> set[str | None]:
    """Fingerprints of the rows of ``tracks/``: all of them, or the first and the last; None where a row has none.

    Raises
    ------
    SchemaMismatchError
        The table cannot be read.
    """
    tracks = folder.child("tracks")
    if not tracks.is_folder() or not any(name.endswith(".parquet") for name in tracks.names()):
        return set()
    with table_errors(f"cannot read the tables of {folder.uri}", kind=SchemaMismatchError):
        rows = read_table(spark, tracks.uri)
        if "fingerprint" not in rows.columns:
            return {None}
        return _fingerprints_in(rows.agg(*_fingerprint_facts()).collect()[0])


def _fingerprint_facts() -> list[Column]:
    fingerprint = F.col("fingerprint")
    return [
        F.min(fingerprint).alias("first_fingerprint"),
        F.max(fingerprint).alias("last_fingerprint"),
        F.count_if(fingerprint.isNull()).alias("n_without_fingerprint"),
    ]


def _fingerprints_in(facts: Row) -> set[str | None]:
    named = {facts["first_fingerprint"], facts["last_fingerprint"]} - {None}
    return named | ({None} if facts["n_without_fingerprint"] else set())


def _check_schemas(tracks: DataFrame, segments: DataFrame, summary: FeatureSummary, *, where: str) -> None:
    has_fingerprint = ("fingerprint",) if "fingerprint" in tracks.columns else ()
    check_columns(to_arrow_schema(tracks.schema), (*_TRACK_COLUMNS, *has_fingerprint), where=f"{where}/tracks")
    # Whether the feature that is asked for is among them is for those who ask.
    features = [name for name in summary.features if name in segments.columns]
    there = to_arrow_schema(segments.schema)
    check_columns(there, (*SEGMENT_KEYS, *features), where=f"{where}/segments", features=features)


def _check_rows(tracks: DataFrame, segments: DataFrame, summary: FeatureSummary, *, where: str) -> None:
    """Look at every row once: only keys are read, and nothing is moved.

    Which segments there are and which there should be is compared by their number and by one hash of all their
    keys: equal numbers and hashes of 64 bits are no accident. Only where they differ is a track looked for.
    """
    facts = _facts_of_tracks(tracks).crossJoin(_facts_of_segments(segments)).collect()[0]
    check_no_nulls({"track_id": facts["n_tracks_without_id"]}, where=f"{where}/tracks")
    check_no_nulls({name: facts[f"n_without_{name}"] for name in SEGMENT_KEYS}, where=f"{where}/segments")
    if "first_fingerprint" in facts:
        check_fingerprints(_fingerprints_in(facts), summary, where=where)
    check_statuses(facts["statuses"], where=where)
    if facts["n_expected"] != facts["n_segments"] or facts["expected"] != facts["found"]:
        _check_each_track(tracks, segments, where=where)
    check_counts({"tracks": facts["n_tracks"], "segments": facts["n_segments"]}, summary, where=where)


def _facts_of_tracks(tracks: DataFrame) -> DataFrame:
    n = F.coalesce(F.col("n_segments"), F.lit(0)).cast("int")
    hashes = "aggregate(sequence(0, n - 1), 0L, (all, i) -> all ^ xxhash64(track_id, i))"
    rows = tracks.withColumn("n", n)
    expected = F.when(F.col("n").between(1, _MAX_SEGMENTS), F.expr(hashes)).otherwise(F.lit(0).cast("long"))
    fingerprints = _fingerprint_facts() if "fingerprint" in tracks.columns else []
    # A track a row first: their number is what there should be rows of.
    return rows.withColumn("expected", expected).agg(
        F.count("*").alias("n_tracks"),
        F.count_if(F.col("track_id").isNull()).alias("n_tracks_without_id"),
        F.collect_set("status").alias("statuses"),
        F.coalesce(F.sum("n"), F.lit(0)).alias("n_expected"),
        F.coalesce(F.bit_xor("expected"), F.lit(0)).alias("expected"),
        *fingerprints,
    )


def _facts_of_segments(segments: DataFrame) -> DataFrame:
    keys = segments.select("track_id", F.col("segment_index").cast("int").alias("segment_index"))
    return keys.agg(
        F.count("*").alias("n_segments"),
        F.coalesce(F.bit_xor(F.xxhash64("track_id", "segment_index")), F.lit(0)).alias("found"),
        *(F.count_if(F.col(name).isNull()).alias(f"n_without_{name}") for name in SEGMENT_KEYS),
    )


def _check_each_track(tracks: DataFrame, segments: DataFrame, *, where: str) -> None:
    rows = tracks.groupBy("track_id").agg(F.count("*").alias("n")).where("n > 1")
    repeated = rows.orderBy("track_id").first()
    if repeated is not None:
        raise SchemaMismatchError(describe_repeated_track(where, repeated["track_id"], repeated["n"]))
    found = segments.groupBy("track_id").agg(
        F.count("*").alias("n"), F.count_distinct("segment_index").alias("n_distinct")
    )
    both = tracks.select("track_id", F.col("n_segments").alias("n_expected")).join(found, "track_id", "full_outer")
    filled = both.fillna(0, subset=["n", "n_distinct", "n_expected"])
    row = filled.where("n != n_distinct or n != n_expected").orderBy("track_id").first()
    if row is not None:
        counts = {name: int(row[name]) for name in ("n", "n_distinct", "n_expected")}
        raise SchemaMismatchError(describe_wrong_segments(where, row["track_id"], **counts))
