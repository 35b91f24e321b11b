"""GTZAN known by the names of its files, in whatever layout: its artists, which neither names nor folders tell."""

from dataclasses import replace

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from deepsound.data.gtzan import GTZAN_GENRES, read_gtzan_tracks
from deepsound.spark.listing import Source

_NAME = rf"\A((?:{'|'.join(GTZAN_GENRES)})\.[0-9]{{5}})(?:\.[^.]+)?\z"


def fill_in_artists(spark: SparkSession, source: Source) -> tuple[Source, tuple[str, ...]]:
    """The source with the artists of those tracks that are GTZAN's and of no known artist, and a line about them.

    A track is GTZAN's if it is called so, and neither its genre nor its folder is another one.
    """
    tracks = [(track.name, track.artist) for track in read_gtzan_tracks() if track.artist]
    artists = F.broadcast(spark.createDataFrame(tracks, "gtzan_name string, gtzan_artist string"))
    named = source.rows.withColumn("gtzan_name", F.when(F.col("artist").isNull(), _gtzan_name()))
    joined = named.join(artists, "gtzan_name", "left")
    n_filled = joined.where("gtzan_artist is not null").count()
    if not n_filled:
        return source, ()
    rows = joined.withColumn("artist", F.coalesce("artist", "gtzan_artist")).select(source.rows.columns)
    line = (
        f"{n_filled} of {source.n_files} tracks are GTZAN's by their names, and get their artists from "
        "B. L. Sturm (2012); labels.gtzan=false leaves them unknown"
    )
    return replace(source, rows=rows), (line,)


def _gtzan_name() -> Column:
    """The name that a track has in GTZAN; null where it has none, or where its genre or folder is another one."""
    # Of the last part alone, where the pattern ends with the first letter of most names.
    name = F.nullif(F.regexp_extract(F.substring_index("track_id", "/", -1), _NAME, 1), F.lit(""))
    genre = F.substring_index(name, ".", 1)
    folder = _letters(F.try_element_at(F.split("track_id", F.lit("/")), F.lit(-2)))
    is_elsewhere = folder.isin(*GTZAN_GENRES) & (folder != genre)
    is_other = _letters(F.col("genre")) != genre
    return F.when(~F.coalesce(is_elsewhere, F.lit(False)) & ~F.coalesce(is_other, F.lit(False)), name)


def _letters(text: Column) -> Column:
    """Hip-Hop is hiphop."""
    return F.regexp_replace(F.lower(text), "[^a-z]", "")
