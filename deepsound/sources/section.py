"""A part of a file as a file of its own."""

import io
from typing import BinaryIO


class FileSection(io.RawIOBase):
    """So many bytes of a file from an offset on, to be read and sought in.

    Parameters
    ----------
    file : BinaryIO
        Open and seekable; its position is this one's to move.
    offset, size_bytes : int
    """

    def __init__(self, file: BinaryIO, *, offset: int, size_bytes: int) -> None:
        super().__init__()
        self._file, self._offset, self._size = file, offset, size_bytes
        self._position = 0

    def readable(self) -> bool:
        """Whether it can be read from: always."""
        return True

    def seekable(self) -> bool:
        """Whether it can be sought in: always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The new position; ValueError before the first byte, as of any file."""
        place = (0, self._position, self._size)[whence] + offset
        if place < 0:
            raise ValueError(f"negative seek position {place}")
        self._position = place
        return place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with the next bytes; how many they were."""
        wanted = min(len(buffer), max(0, self._size - self._position))
        self._file.seek(self._offset + self._position)
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
