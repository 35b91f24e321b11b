"""The tables of the contract, as Spark writes them and as Arrow carries them."""

import pyarrow as pa

from deepsound.data.labels import LABEL_NAMES

_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int32()

LABEL_FIELDS = [pa.field(name, _TEXT) for name in LABEL_NAMES]

TRACK_FIELDS = [
    pa.field("track_id", _TEXT),
    pa.field("path", _TEXT),
    pa.field("content_sha256", _TEXT),
    pa.field("size_bytes", pa.int64()),
    # When the file was last modified, in milliseconds since 1970; tells a rerun what may have changed.
    pa.field("modified_ms", pa.int64()),
    *LABEL_FIELDS,
    pa.field("status", _TEXT),
    pa.field("error_code", _TEXT),
    pa.field("error_stage", _TEXT),
    pa.field("error_detail", _TEXT),
    pa.field("duration_s", _NUMBER),
    pa.field("sample_rate_hz", _COUNT),
    pa.field("n_channels", _COUNT),
    pa.field("container", _TEXT),
    pa.field("n_segments", _COUNT),
    pa.field("peak", _NUMBER),
    pa.field("rms_dbfs", _NUMBER),
    pa.field("fingerprint", _TEXT),
]

SEGMENT_KEY_FIELDS = [
    pa.field("track_id", _TEXT),
    pa.field("segment_index", _COUNT),
    pa.field("start_s", _NUMBER),
    pa.field("duration_s", _NUMBER),
]

# An input of an extraction, wherever it is from. What is unknown before its content is read is null.
LISTING_FIELDS = [
    pa.field("track_id", _TEXT),
    pa.field("path", _TEXT),
    pa.field("size_bytes", pa.int64()),
    pa.field("modified_ms", pa.int64()),
    # The path for open(), where the workers have the file system mounted.
    pa.field("native", pa.binary()),
    # Of a content that is but a part of a file: that file, and where it stands there. In a tar that is a byte, in
    # a Parquet table a row, and the name of the column follows behind a '#'.
    pa.field("container", _TEXT),
    pa.field("offset", pa.int64()),
    # Why it cannot be read, as is known from the listing already.
    pa.field("problem", _TEXT),
    *LABEL_FIELDS,
]


TRACKS_SCHEMA = pa.schema(TRACK_FIELDS)


def segment_fields(features: tuple[str, ...]) -> list[pa.Field]:
    """Fields of ``segments/`` with one list<float> column per feature, row-major (n_frames, n_dims)."""
    return [*SEGMENT_KEY_FIELDS, *(pa.field(name, pa.list_(pa.float32())) for name in features)]


def outcome_schema(features: tuple[str, ...]) -> pa.Schema:
    """Rows of one extraction pass: each is either a track or a segment, the other struct is null.

    One pass over the audio thus fills both tables, and a long track never has to fit into one row.
    """
    return pa.schema(
        [pa.field("track", pa.struct(TRACK_FIELDS)), pa.field("segment", pa.struct(segment_fields(features)))]
    )


PER_GENRE_FIELDS = [
    pa.field("genre", _TEXT),
    *(pa.field(name, pa.int64()) for name in ("n_true", "n_predicted", "n_correct")),
    *(
        pa.field(name, _NUMBER)
        for name in (
            *("precision", "recall", "f1", "recall_low", "recall_high"),
            *("precision_low", "precision_high", "f1_low", "f1_high"),
        )
    ),
    *(pa.field(name, pa.int64()) for name in ("n_scored_as", "n_ood")),
    *(
        pa.field(name, _NUMBER)
        for name in (
            *("mean_confidence", "calibration_error"),
            *("predicted_share", "predicted_share_low", "predicted_share_high"),
            *("estimated_share", "estimated_share_low", "estimated_share_high"),
        )
    ),
]
