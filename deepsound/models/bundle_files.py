"""The files of a bundle as bytes, and its tables of tracks; nothing outside its folder is read."""

import hashlib
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deepsound.config.split import SPLIT_NAMES
from deepsound.errors import BundleError

_REQUIRED, _OPTIONAL = ("track_id", "split"), ("genre", "artist", "content_sha256")
_TEXTS = ("track_id", "genre", "predicted_genre")
_OUT_OF_FOLD = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("track_id", "artist", "genre", "predicted_genre")),
        pa.field("confidence", pa.float64()),
        pa.field("probabilities", pa.list_(pa.float64())),
        pa.field("fold", pa.int32()),
    ]
)
# How far float64 rounding may take probabilities from a sum of 1.
_ROUNDING = 1e-6
# A fine-tuned VGGish has 0.3 GB, a split of ten million tracks 0.5 GB.
_MAX_BYTES = 2 << 30
# The text of ten million tracks, unpacked.
_MAX_TABLE_BYTES = 8 << 30


def read_file(folder: pathlib.Path, name: str) -> bytes:
    """What a file of a bundle holds.

    Raises BundleError: it is no file of that folder (a pipe, a device, a link that leads elsewhere), or too large;
    OSError: it is not there or cannot be read.
    """
    path = (folder / name).resolve(strict=True)
    if not path.is_file() or not path.is_relative_to(folder.resolve()):
        raise BundleError(f"{name} is no file of the bundle: it leads to {path}")
    if path.stat().st_size > _MAX_BYTES:
        raise BundleError(f"{name} has {path.stat().st_size} bytes; no bundle has more than {_MAX_BYTES}")
    return path.read_bytes()


def read_checked(folder: pathlib.Path, name: str, *, sha256: Mapping[str, str]) -> bytes:
    """As :func:`read_file`, of a file that is as the manifest says.

    Raises BundleError if it is another, or the manifest does not name it.
    """
    if name not in sha256:
        raise BundleError(f"files_sha256 does not name {name}")
    content = read_file(folder, name)
    if hashlib.sha256(content).hexdigest() != sha256[name]:
        raise BundleError(f"{name} is not the file the bundle was written with")
    return content


def to_parquet(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def parse_split(content: bytes) -> pa.Table:
    """The table of tracks.

    Raises BundleError: it has other columns, other splits, or claims more rows than it has room for;
    pa.ArrowException or OSError: it is no Parquet.
    """
    file = _open_table(content, name="split.parquet")
    schema = file.schema_arrow
    known = [name for name in schema.names if name in (*_REQUIRED, *_OPTIONAL)]
    is_whole = {*_REQUIRED} <= {*known} and len({*known}) == len(known)
    if not is_whole or not all(_is_text(schema.field(name).type) for name in known):
        columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise BundleError(f"split.parquet has the columns {columns[:200]}; wanted texts, {', '.join(_REQUIRED)}")
    table = file.read(columns=known)
    n_tracks = pc.count_distinct(table["track_id"], mode="only_valid").as_py()
    splits = set(table["split"].unique().to_pylist())
    if n_tracks != table.num_rows or not splits <= {*SPLIT_NAMES, None}:
        raise BundleError(
            f"split.parquet has {table.num_rows} rows of {n_tracks} tracks, in the splits "
            f"{sorted(map(str, splits))[:5]}; wanted every track once, in {', '.join(SPLIT_NAMES)}"
        )
    return table


def parse_out_of_fold(content: bytes, *, genres: Sequence[str]) -> pa.Table:
    """The predictions of a cross-validation, by models of these genres.

    Raises BundleError: it has other columns, a track twice, genres that the model does not know, numbers that are
    no probabilities, or claims more rows than it has room for; pa.ArrowException or OSError: it is no Parquet.
    """
    file = _open_table(content, name="out_of_fold.parquet")
    if not file.schema_arrow.equals(_OUT_OF_FOLD):
        columns = ", ".join(f"{field.name} ({field.type})" for field in file.schema_arrow)
        raise BundleError(f"out_of_fold.parquet has the columns {columns[:200]}; wanted {_OUT_OF_FOLD.names}")
    table = file.read()
    known = pa.array(genres, pa.string())
    is_named = all(pc.all(pc.is_in(table[name], value_set=known)).as_py() for name in _TEXTS[1:])
    if not is_named or pc.count_distinct(table["track_id"], mode="only_valid").as_py() != table.num_rows:
        raise BundleError("out_of_fold.parquet has a track twice, or a genre that the model does not know")
    lengths = pc.list_value_length(table["probabilities"])
    if not pc.all(pc.fill_null(pc.equal(lengths, len(genres)), False)).as_py():
        raise BundleError(f"out_of_fold.parquet has a row without {len(genres)} probabilities")
    probabilities = stack_probabilities(table)
    confidences = table["confidence"].to_numpy()
    # Comparisons with NaN are false, so that it is caught, too.
    is_sound = (probabilities >= 0).all() and (abs(probabilities.sum(axis=1) - 1) <= _ROUNDING).all()
    if not is_sound or not (abs(confidences - probabilities.max(axis=1)) <= _ROUNDING).all():
        raise BundleError("out_of_fold.parquet has rows of probabilities that do not sum to 1")
    return table


def stack_probabilities(table: pa.Table) -> np.ndarray:
    """Those of all rows of predictions [shape=(n_tracks, n_genres), float64]."""
    flat = table["probabilities"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    stacked: np.ndarray = flat.reshape(table.num_rows, -1)
    return stacked


def _open_table(content: bytes, *, name: str) -> pq.ParquetFile:
    file = pq.ParquetFile(pa.BufferReader(content))
    metadata = file.metadata
    n_bytes = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    # Tracks have different names, so that a row takes a byte at least, however it is packed.
    if not 0 <= metadata.num_rows <= len(content) or not 0 <= n_bytes <= _MAX_TABLE_BYTES:
        raise BundleError(f"{name} claims {metadata.num_rows} rows of {n_bytes} bytes in {len(content)} bytes")
    return file


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))
