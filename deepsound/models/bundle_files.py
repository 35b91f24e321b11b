"""The files of a bundle as bytes, and its table of tracks; nothing outside a stranger's folder is read."""

import hashlib
import pathlib
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deepsound.config.split import SPLIT_NAMES
from deepsound.errors import BundleError

_REQUIRED, _OPTIONAL = ("track_id", "split"), ("genre", "artist", "content_sha256")
# A fine-tuned VGGish has 0.3 GB, a split of ten million tracks 0.5 GB.
_MAX_BYTES = 2 << 30
# The text of ten million tracks, unpacked.
_MAX_TABLE_BYTES = 8 << 30


def read_file(folder: pathlib.Path, name: str) -> bytes:
    """What a file of a bundle holds.

    Raises
    ------
    BundleError
        It is no file of that folder (a pipe, a device, a link that leads elsewhere), or too large.
    OSError
        It is not there or cannot be read.
    """
    path = (folder / name).resolve(strict=True)
    if not path.is_file() or not path.is_relative_to(folder.resolve()):
        raise BundleError(f"{name} is no file of the bundle: it leads to {path}")
    if path.stat().st_size > _MAX_BYTES:
        raise BundleError(f"{name} has {path.stat().st_size} bytes; no bundle has more than {_MAX_BYTES}")
    return path.read_bytes()


def read_checked(folder: pathlib.Path, name: str, *, sha256: Mapping[str, str]) -> bytes:
    """As :func:`read_file`, of a file that is as the manifest says.

    Raises
    ------
    BundleError
        It is another, or the manifest says nothing of it.
    """
    if name not in sha256:
        raise BundleError(f"files_sha256 does not name {name}")
    content = read_file(folder, name)
    if hashlib.sha256(content).hexdigest() != sha256[name]:
        raise BundleError(f"{name} is not the file the bundle was written with")
    return content


def parse_split(content: bytes) -> pa.Table:
    """The table of tracks.

    Raises
    ------
    BundleError
        It has other columns, other splits, or claims more rows than it has room for.
    pa.ArrowException, OSError
        It is no Parquet.
    """
    file = pq.ParquetFile(pa.BufferReader(content))
    metadata = file.metadata
    n_bytes = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    # Tracks have different names, so that a row takes a byte at least, however it is packed.
    if not 0 <= metadata.num_rows <= len(content) or not 0 <= n_bytes <= _MAX_TABLE_BYTES:
        raise BundleError(
            f"split.parquet claims {metadata.num_rows} rows of {n_bytes} bytes in {len(content)} bytes"
        )
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


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))
