"""Files of ``segments/`` that a worker opens by itself, where they lie on a file system that is mounted there."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from deepsound.errors import SchemaMismatchError

_PIECE_BYTES = 32 << 20
_READ_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """A Parquet file; ``path`` as Spark writes it."""

    path: str
    size_bytes: int
    modified: str


@dataclass(frozen=True, kw_only=True)
class FilePiece:
    """Piece ``number`` of ``n_pieces`` of a file: as many of its row groups."""

    path: str
    number: int
    n_pieces: int


def deal_pieces(files: Sequence[TableFile], *, n_tasks: int) -> list[list[FilePiece]]:
    """Files, large ones in pieces, as tasks of about the same size, in their order."""
    pieces = []
    for file in files:
        n_pieces = max(1, math.ceil(file.size_bytes / _PIECE_BYTES))
        size = file.size_bytes / n_pieces
        path = file.path.removeprefix("file:")
        pieces += [(FilePiece(path=path, number=i, n_pieces=n_pieces), size) for i in range(n_pieces)]
    wanted = sum(size for _, size in pieces) / n_tasks
    tasks: list[list[FilePiece]] = []
    so_far = math.inf
    for piece, size in pieces:
        if so_far >= wanted:
            tasks.append([])
            so_far = 0.0
        tasks[-1].append(piece)
        so_far += size
    return tasks


@dataclass(frozen=True, kw_only=True)
class FileReader:
    """Reads pieces of files, batch by batch, so that no row group lies in memory as a whole."""

    columns: tuple[str, ...]
    batch_size: int

    def __call__(self, pieces: Iterable[FilePiece]) -> Iterator[pa.RecordBatch]:
        """Batches of the columns.

        Raises
        ------
        SchemaMismatchError
            A file cannot be read.
        """
        for piece in pieces:
            try:
                yield from self._read(piece)
            except (pa.ArrowException, OSError) as exc:
                raise SchemaMismatchError(f"cannot read {piece.path}: {' '.join(str(exc).split())[:200]}") from exc

    def _read(self, piece: FilePiece) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(piece.path, buffer_size=_READ_BYTES) as file:
            n, groups = piece.n_pieces, file.num_row_groups
            own = range(groups * piece.number // n, groups * (piece.number + 1) // n)
            names = [name for name in self.columns if name in file.schema_arrow.names]
            if len(own):
                yield from file.iter_batches(
                    batch_size=self.batch_size, row_groups=list(own), columns=names, use_threads=False
                )
