"""WAV, AIFF, AU, CAF, Ogg and MP3, through soundfile, whose wheels carry libsndfile."""

import contextlib
import os
import threading
from collections.abc import Iterator

import numpy as np
import soundfile

from deepsound.audio.containers import Container
from deepsound.audio.source import AudioSource
from deepsound.audio.stream import BLOCK_SAMPLES, AudioFormat, AudioStream, Downmix, join_pieces
from deepsound.errors import AudioEmptyError, AudioUnreadableError, AudioUnsupportedError

# Numbers in all channels together that are decoded at once: a header may declare a thousand channels.
_PIECE_VALUES = 1 << 21
_STDERR = 2
_lock = threading.Lock()
_n_inside = 0
_kept = -1


def open_sndfile(source: AudioSource, container: Container) -> AudioStream:
    """Begin to decode.

    Raises
    ------
    AudioEmptyError
        A container that holds no samples.
    AudioUnsupportedError
        Not the content of a known container.
    AudioUnreadableError
        A known container whose content is damaged, or the storage failed.
    AudioTooLongError
        By the header.
    AudioTimeoutError
        Not opened in time.
    """
    source.begin_at(container.first_byte)
    try:
        with source.limits.timed(), _quiet(container):
            sound = soundfile.SoundFile(source)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as exc:
        source.check()
        if container.is_known:
            raise AudioUnreadableError(
                f"a known container, but its content is damaged: {_detail_of(exc)}"
            ) from exc
        raise AudioUnsupportedError(f"not a sound file the decoder knows: {_detail_of(exc)}") from exc
    source.check_declared(sound.frames / sound.samplerate, sample_rate_hz=sound.samplerate)
    audio_format = AudioFormat(
        sample_rate_hz=int(sound.samplerate),
        n_channels=int(sound.channels),
        container=str(sound.format).lower(),
    )
    downmix = Downmix()
    pieces = source.limits.watch(
        _mono_pieces(sound, container, source, downmix), sample_rate_hz=audio_format.sample_rate_hz
    )
    return AudioStream(format=audio_format, blocks=join_pieces(pieces), downmix=downmix)


def _quiet(container: Container) -> contextlib.AbstractContextManager[None]:
    # libmpg123 writes what it passes over to standard error, frame by frame; content of no known kind is shown to
    # it, too.
    return quiet_stderr() if container.demuxer in ("mp3", None) else contextlib.nullcontext()


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what the process writes to standard error nowhere, in all its threads: keep what is inside short."""
    global _n_inside, _kept
    with _lock:
        if _n_inside == 0:
            _kept = _redirect()
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0 and _kept >= 0:
                os.dup2(_kept, _STDERR)
                os.close(_kept)


def _redirect() -> int:
    """What standard error was, or -1 where there is none, or no more files can be opened."""
    kept = -1
    try:
        kept = os.dup(_STDERR)
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:
        if kept >= 0:
            os.close(kept)
        return -1
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    return kept


def _mono_pieces(
    sound: soundfile.SoundFile, container: Container, source: AudioSource, downmix: Downmix
) -> Iterator[np.ndarray]:
    """Samples, mixed down at once, so that no more than one piece is ever held with all channels."""
    n_frames = max(1, min(BLOCK_SAMPLES, _PIECE_VALUES // sound.channels))
    n_read = 0
    with sound:
        while True:
            try:
                with _quiet(container):
                    piece = sound.read(n_frames, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, RuntimeError) as exc:
                source.check()
                raise AudioUnreadableError(f"decoding stopped after {n_read} samples: {_detail_of(exc)}") from exc
            source.check()
            if not len(piece):
                break
            n_read += len(piece)
            yield downmix.mix(piece)
    if not n_read:
        raise AudioEmptyError(f"the {sound.format} container holds no samples")


def _detail_of(exc: BaseException) -> str:
    # libsndfile's own words, without the repr of our source that soundfile puts before them.
    text = getattr(exc, "error_string", None) or str(exc)
    return " ".join(str(text).split())[:200]
