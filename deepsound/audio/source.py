"""One file's bytes, as decoders in C ask for them: in pieces, at any place, of any seekable file object."""

import hashlib
import io
from typing import IO

from deepsound.audio.limits import DecodeLimits
from deepsound.errors import AudioTooLargeError, AudioUnreadableError

_BLOCK_BYTES = 1 << 20
# libsndfile reads an MP3 by half frames, some 2,400 times for 30 s: reads as small as these are served from more.
_SMALL_BYTES = 1 << 12
_AHEAD_BYTES = 1 << 16
# No codec writes silence in less: Monkey's Audio, the tersest, has 294,912 samples in a dozen bytes.
_MAX_SAMPLES_A_BYTE = 1 << 20


class AudioSource:
    """A file object that remembers what went wrong below a decoder.

    libsndfile and FFmpeg call back for bytes, and an exception does not pass through them. So a failed read, and
    one after the time is up, is the end of the file here, and :meth:`check` tells afterwards. It reads ahead, but
    holds no more than 64 KiB. The file stays open; its position is anywhere afterwards.

    Raises
    ------
    AudioUnreadableError
        The file is not seekable, or its storage does not answer.
    """

    def __init__(self, file: IO[bytes], *, limits: DecodeLimits) -> None:
        self.limits = limits
        self._file = file
        self._first_byte = 0
        self._position = 0
        self._held = b""
        self._held_first = 0
        self._failure: Exception | None = None
        try:
            self.n_bytes = file.seek(0, io.SEEK_END)
        except OSError as exc:
            raise _unreadable(exc) from exc

    @property
    def has_failed(self) -> bool:
        """Whether the storage failed on a read."""
        return self._failure is not None

    def check_declared(self, duration_s: float, *, sample_rate_hz: int) -> None:
        """Refuse a header that declares more than is allowed, or more than this file could hold.

        Raises
        ------
        AudioUnreadableError
            More samples than so few bytes can stand for.
        AudioTooLongError
            Longer than the limits allow.
        """
        if duration_s * sample_rate_hz > _MAX_SAMPLES_A_BYTE * self.n_bytes:
            raise AudioUnreadableError(
                f"damaged: the header declares {duration_s:.3g} s, which {self.n_bytes} bytes cannot hold"
            )
        self.limits.check_declared(duration_s)

    def check(self) -> None:
        """Raise what decoders did not let through: AudioUnreadableError, or AudioTimeoutError."""
        if isinstance(self._failure, OSError):
            raise _unreadable(self._failure) from self._failure
        if self._failure is not None:
            raise self._failure
        self.limits.check_time()

    def compute_sha256(self, *, max_bytes: int) -> str:
        """Digest of all bytes, in hexadecimal.

        Raises
        ------
        AudioTooLargeError
            There are more than ``max_bytes``.
        AudioUnreadableError
            The storage failed.
        """
        if self.n_bytes > max_bytes:
            raise AudioTooLargeError(f"{self.n_bytes} bytes; max_bytes is {max_bytes}")
        digest = hashlib.sha256()
        for place in range(0, self.n_bytes, _BLOCK_BYTES):
            digest.update(self.peek(place, _BLOCK_BYTES))
        return digest.hexdigest()

    def peek(self, place: int, n_bytes: int) -> bytes:
        """Bytes at a place counted from the file's first, fewer at its end; raises AudioUnreadableError."""
        data = self._read_at(place, n_bytes)
        self.check()
        return data

    def begin_at(self, first_byte: int) -> None:
        """Show decoders the file from this byte on, as if it were the first; what was read before is forgotten."""
        self._first_byte = first_byte
        self._position = 0
        self._held = b""

    def read(self, n_bytes: int = -1) -> bytes:
        """For decoders: the next bytes."""
        left = self.n_bytes - self._first_byte - self._position
        wanted = left if n_bytes < 0 else min(n_bytes, left)
        if wanted <= 0 or self.limits.is_over:
            return b""
        data = self._read_ahead(self._first_byte + self._position, wanted)
        self._position += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        """For decoders: the next bytes, into their own memory."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """For decoders: the new position. A damaged header asks for places before the first byte: no move then."""
        origin = (0, self._position, self.n_bytes - self._first_byte)[whence]
        if origin + offset >= 0:
            self._position = origin + offset
        return self._position

    def tell(self) -> int:
        """For decoders: the position."""
        return self._position

    def _read_ahead(self, place: int, n_bytes: int) -> bytes:
        if n_bytes > _SMALL_BYTES:
            return self._read_at(place, n_bytes)
        first = place - self._held_first
        if first < 0 or first + n_bytes > len(self._held):
            self._held, self._held_first, first = self._fetch(place, n_bytes), place, 0
        return self._held[first : first + n_bytes]

    def _fetch(self, place: int, n_bytes: int) -> bytes:
        """So many bytes or more."""
        try:
            self._file.seek(place)
            return self._file.read(_AHEAD_BYTES)
        except Exception:
            # What is bad may lie behind what was asked for.
            return self._read_at(place, n_bytes)

    def _read_at(self, place: int, n_bytes: int) -> bytes:
        if self._failure is not None:
            return b""
        try:
            self._file.seek(place)
            return self._file.read(n_bytes)
        except Exception as exc:
            self._failure = exc
            return b""


def _unreadable(exc: OSError) -> AudioUnreadableError:
    return AudioUnreadableError(f"the storage does not give the bytes: {exc.strerror or exc}")
