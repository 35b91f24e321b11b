"""Files of a collection with the same bytes, found by the hash of their content."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from deepsound.errors import AudioDuplicateError


def drop_duplicates(tracks: DataFrame) -> DataFrame:
    """The tracks with every copy of an earlier one, by track_id, as a failed row; only readable tracks count.

    Parameters
    ----------
    tracks : DataFrame
        Columns of ``tracks/``.

    Returns
    -------
    DataFrame
        The same rows and columns.
    """
    same_bytes = Window.partitionBy("content_sha256", "status").orderBy("track_id")
    first, number = F.first("track_id").over(same_bytes), F.row_number().over(same_bytes)
    ranked = tracks.withColumns({"_first": first, "_number": number})
    is_copy = (F.col("status") == "ok") & (F.col("_number") > 1)

    def on_copies(name: str, value: Column) -> Column:
        return F.when(is_copy, value).otherwise(F.col(name)).alias(name)

    changed = {
        "status": F.lit("failed"),
        "error_code": F.lit(AudioDuplicateError.code),
        "error_stage": F.lit("collection"),
        "error_detail": F.concat(F.lit("the same bytes as "), F.col("_first")),
        "n_segments": F.lit(0),
    }
    return ranked.select([on_copies(name, changed[name]) if name in changed else name for name in tracks.columns])


def without_duplicates(segments: DataFrame, tracks: DataFrame) -> DataFrame:
    """The segments of all but the tracks that :func:`drop_duplicates` made fail."""
    copies = tracks.where(F.col("error_code") == AudioDuplicateError.code).select("track_id")
    return segments.join(F.broadcast(copies), "track_id", "left_anti")
