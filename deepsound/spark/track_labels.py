"""Labels of the tracks of a source: from their names, a CSV, or the source itself."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from deepsound.config import SPLIT_NAMES, LabelSettings
from deepsound.data.label_table import MAX_NAMED, LabelMatch, LabelReader, LabelRow, canonical_name
from deepsound.data.labels import LABEL_NAMES
from deepsound.errors import LabelError
from deepsound.sources.audio_table import SPLIT_OF_WORD
from deepsound.spark.gtzan import fill_in_artists
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.listing import Source, write_rows
from deepsound.spark.manifest_source import list_manifest
from deepsound.spark.tables import stage_table

# FMA's whole taxonomy has 161 genres; of those that people sort music by there are fewer.
_MAX_LIKELY_GENRES = 50
_FOLDERS_A_GENRE = 3
_ROW_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.int64()) for name in ("line", "reading", "rank")),
        *(pa.field(name, pa.string()) for name in ("path", "name", "canonical", *LABEL_NAMES)),
    ]
)


def label_tracks(
    spark: SparkSession, source: Source, labels: LabelSettings, *, scratch: HadoopPath
) -> tuple[Source, tuple[str, ...]]:
    """A source whose rows have the labels that the settings ask for, and lines for people about them.

    Labels that stand in the files (``tags``) are not known before these are read: they are null here.

    Raises
    ------
    LabelError
        The label CSV does not exist, is not what a label table should be, or labels none of the tracks.
    """
    if labels.source == "csv":
        return _label_by_csv(spark, source, labels.csv or "", scratch)
    labelled, said = _label_by_rule(spark, source, labels, scratch)
    if not labels.gtzan or labels.source in ("tags", "none"):
        return labelled, said
    labelled, more = fill_in_artists(spark, labelled)
    return labelled, (*said, *more)


def _label_by_rule(
    spark: SparkSession, source: Source, labels: LabelSettings, scratch: HadoopPath
) -> tuple[Source, tuple[str, ...]]:
    """Labels from the source itself, or from the tracks' names."""
    if labels.source == "source":
        own = source if source.n_labelled else _with_metadata(spark, source, scratch)
        return replace(own, rows=own.rows.withColumn("split", _known_split())), ()
    genre = genre_in_name(labels.source).cast("string")
    null = F.lit(None).cast("string")
    labelled = replace(source, rows=source.rows.withColumns({"genre": genre, "artist": null, "split": null}))
    return labelled, tuple(_hints(labelled, labels))


def _hints(source: Source, labels: LabelSettings) -> Iterator[str]:
    """A line where the source has genres that are passed over, and where folders can hardly be genres."""
    if source.n_labelled:
        yield (
            f"{source.n_labelled} of {source.n_files} tracks have a genre of their own in {source.root.uri}, "
            f"which labels.from={labels.source} does not read: labels.from=source takes it"
        )
    if labels.source != "parent_dir":
        return
    counts = source.rows.agg(
        F.approx_count_distinct("genre").alias("n"),
        F.approx_count_distinct(genre_in_name("top_dir")).alias("n_top"),
    )
    n, n_top = counts.collect()[0]
    if n > _MAX_LIKELY_GENRES and n > _FOLDERS_A_GENRE * n_top:
        yield (
            f"labels.from=parent_dir gives about {n} genres to {source.n_files} files: are these folders albums "
            f"or artists? labels.from=top_dir takes the first folder, of which there are about {n_top}"
        )


def genre_in_name(rule: str) -> Column:
    """The genre that a track_id tells of, by one of the rules of ``labels.from``; null where it tells of none."""
    track_id = F.col("track_id")
    if rule in ("parent_dir", "top_dir"):
        # A file that lies directly in the root has no genre folder.
        folders = track_id if rule == "top_dir" else F.substring_index(track_id, "/", -2)
        return F.when(folders.contains("/"), F.nullif(F.substring_index(folders, "/", 1), F.lit("")))
    if rule != "filename_prefix":
        return F.lit(None)
    # hiphop_3.wav and blues.00000.wav: up to the first underscore, else to the number.
    stem = F.regexp_replace(F.substring_index(track_id, "/", -1), r"(?s)(?<=.)\.[^.]+\z", "")
    prefix = F.when(stem.contains("_"), F.substring_index(stem, "_", 1)).when(
        stem.rlike(r"[0-9]\z"), F.regexp_replace(stem, r"[0-9]+\z", "")
    )
    return F.nullif(F.regexp_replace(prefix, r"[ .-]+\z", ""), F.lit(""))


def _with_metadata(spark: SparkSession, source: Source, scratch: HadoopPath) -> Source:
    """A folder's tracks with the labels of a manifest in it that is called as those of AudioFolder are."""
    for name in ("metadata.csv", "metadata.jsonl") if source.root.is_folder() else ():
        file = source.root.child(name)
        if file.exists():
            told = list_manifest(spark, file, scratch=scratch.child("metadata"))
            labels = told.rows.select("track_id", *LABEL_NAMES)
            rows = source.rows.drop(*LABEL_NAMES).join(labels, "track_id", "left")
            return replace(source, rows=rows.select(source.rows.columns), n_labelled=told.n_labelled)
    return source


def _known_split() -> Column:
    """The split by its name here, whatever others call it; null for words that name none."""
    words = F.create_map(*(F.lit(word) for pair in SPLIT_OF_WORD.items() for word in pair))
    return words[F.lower(F.trim("split"))]


def _label_by_csv(
    spark: SparkSession, source: Source, path: str, scratch: HadoopPath
) -> tuple[Source, tuple[str, ...]]:
    file = HadoopPath(spark, path)
    if not file.exists() or file.is_folder() or file.parent is None:
        raise LabelError(f"the label file {path} does not exist")
    roots = _names_of(source.root)
    folders = tuple(dict.fromkeys((*_names_of(file.parent), *roots[:1])))
    n_rows = 0
    try:
        with file.on_this_machine() as local, local.open(encoding="utf-8", newline="") as lines:
            reader = LabelReader(lines, where=path, folders=folders, roots=roots)

            def to_candidates() -> Iterator[dict[str, Any]]:
                nonlocal n_rows
                for row in reader.rows():
                    n_rows += 1
                    yield from _candidates(row)

            rows = write_rows(spark, to_candidates(), _ROW_SCHEMA, scratch.child("labels.parquet"))
    except (UnicodeDecodeError, OSError) as exc:
        raise LabelError(f"cannot read {path}: {exc}") from exc
    matched = stage_table(_match(source.rows, rows), scratch.child("matched"))
    best = _best_reading(matched, where=path)
    labelled = matched.where(F.col("reading") == best).dropDuplicates(["track_id"])
    labelled = labelled.where("coalesce(genre, artist, split) is not null").select("track_id", *LABEL_NAMES)
    match = _sum_up(source, rows, matched, labelled, best=best, n_rows=n_rows, where=path)
    match = replace(match, unknown_columns=reader.unknown_columns)
    match.check()
    joined = source.rows.drop(*LABEL_NAMES).join(labelled, "track_id", "left").select(source.rows.columns)
    return replace(source, rows=joined), tuple(match.describe())


def _candidates(row: LabelRow) -> Iterator[dict[str, Any]]:
    """The tracks that a row may mean, a row each; one without a name where it means none that there can be."""
    labels = {"line": row.line, "path": row.path, "genre": row.genre, "artist": row.artist, "split": row.split}
    for reading, names in enumerate(row.names):
        for rank, name in enumerate(names):
            yield {**labels, "reading": reading, "rank": rank, "name": name, "canonical": canonical_name(name)}
        if not names:
            yield {**labels, "reading": reading}


def _match(tracks: DataFrame, rows: DataFrame) -> DataFrame:
    """Each row with its track: called so to the letter if there is one, else in another way of writing."""
    names = tracks.select("track_id").mapInArrow(_add_canonical, "track_id string, canonical string")
    found = names.join(rows, "canonical")
    order = F.struct(F.col("name") != F.col("track_id"), F.col("rank"), F.col("track_id"))
    return found.groupBy("reading", "line").agg(
        F.min_by("track_id", order).alias("track_id"), *(F.first(name).alias(name) for name in LABEL_NAMES)
    )


def _add_canonical(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        # Not by pyarrow's utf8_normalize, which leaves letters and accents apart (25.0).
        names = batch.column(0).to_pylist()
        yield pa.RecordBatch.from_pydict({"track_id": names, "canonical": list(map(canonical_name, names))})


def _best_reading(matched: DataFrame, *, where: str) -> int:
    """The folder that the paths are relative to: that which makes tracks of most rows.

    Raises
    ------
    LabelError
        A row of it has a split that is none, or other labels than an earlier row of the same track.
    """
    labels = F.struct(*(F.coalesce(F.col(name), F.lit("")) for name in LABEL_NAMES))
    window = Window.partitionBy("reading", "track_id").orderBy("line")
    rows = matched.withColumn("is_other", labels != F.first(labels).over(window))
    rows = rows.withColumn("is_odd", ~F.col("split").isin(*SPLIT_NAMES))
    place = F.struct("line", "track_id", "split")
    found = rows.groupBy("reading").agg(
        F.count("*").alias("n"),
        F.min(F.when(F.col("is_odd"), place)).alias("odd"),
        F.min(F.when(F.col("is_other"), place)).alias("other"),
    )
    readings = sorted(found.collect(), key=lambda row: (-row["n"], row["reading"]))
    if not readings:
        return 0
    best = readings[0]
    if best["odd"] is not None:
        raise LabelError(
            f"{where}, line {best['odd']['line']}: split is {best['odd']['split']!r}; wanted one of "
            f"{', '.join(SPLIT_NAMES)}, or nothing"
        )
    if best["other"] is not None:
        raise LabelError(
            f"{where}, line {best['other']['line']}: labels {best['other']['track_id']!r} a second time, and "
            "differently"
        )
    return int(best["reading"])


def _sum_up(
    source: Source, rows: DataFrame, matched: DataFrame, labelled: DataFrame, *, best: int, n_rows: int, where: str
) -> LabelMatch:
    of_best = matched.where(F.col("reading") == best)
    n_unmatched = n_rows - of_best.count()
    unmatched: list[str] = []
    if n_unmatched:
        others = rows.where(F.col("reading") == best).join(of_best.select("line"), "line", "left_anti")
        first = others.select("line", "path").distinct().orderBy("line").limit(MAX_NAMED).collect()
        unmatched = [row["path"] for row in first]
    return LabelMatch(
        where=where,
        n_labelled=labelled.count(),
        n_tracks=source.n_files,
        track_example=source.rows.agg(F.min("track_id")).collect()[0][0],
        unmatched=tuple(unmatched),
        n_unmatched=n_unmatched,
        unknown_columns=(),
    )


def _names_of(folder: HadoopPath) -> tuple[str, ...]:
    """A folder's URI, and that of where it lies if links lead there: a table may name either."""
    if not folder.is_on_this_machine:
        return (folder.uri,)
    return tuple(dict.fromkeys((folder.uri, f"file:{os.path.realpath(folder.local_path)}")))
