"""What libsndfile does not open or would not read to its end, through PyAV, whose wheels carry FFmpeg.

FFmpeg is held to the one demuxer that the first bytes ask for: left to guess, it also opens playlists that name
other files.
"""

import contextlib
import itertools
from collections.abc import Iterator

import av
import numpy as np

from deepsound.audio.containers import Container
from deepsound.audio.source import AudioSource
from deepsound.audio.stream import AudioFormat, AudioStream, Downmix, join_pieces
from deepsound.errors import AudioEmptyError, AudioUnreadableError

# Frame after frame without a container: tags and junk in between, or a cut last one, every player passes over.
_BARE_FRAMES = ("aac", "mp3", "ac3", "eac3", "dts", "amr")
# These declare no length, or not that of the whole file; what FFmpeg makes up from the bit rate says little.
_WITHOUT_LENGTH = (*_BARE_FRAMES, "ogg")
# Samples of all channels together that are joined before they are mixed down.
_HELD_VALUES = 1 << 17
# PyAV looks for the end of a frame's planes by a null pointer, and behind the eighth there is none.
_MAX_PLANES = 7


def open_ffmpeg(source: AudioSource, container: Container) -> AudioStream:
    """Begin to decode the first audio stream of a container with a demuxer.

    Raises
    ------
    AudioEmptyError
        No audio stream, or one without samples.
    AudioUnreadableError
        The content is damaged, or of a codec that FFmpeg does not have, or the storage failed.
    AudioTooLongError
        By the header.
    AudioTimeoutError
        Not opened in time.
    """
    demuxer = str(container.demuxer)
    source.begin_at(container.first_byte)
    with source.limits.timed(), _errors_named(demuxer, source):
        opened = av.open(source, format=demuxer, metadata_errors="replace")
        if not opened.streams.audio:
            raise AudioEmptyError(f"the {demuxer} container holds no audio stream")
        stream = opened.streams.audio[0]
        if stream.codec_context is None:
            raise AudioUnreadableError(f"a known container ({demuxer}), of a codec that nobody knows")
        if demuxer == "flac":
            source.check_declared(_flac_samples(stream) / stream.rate, sample_rate_hz=stream.rate)
            # Frames whose checksum is wrong are not decoded as if they were right.
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        elif demuxer not in _WITHOUT_LENGTH:
            source.check_declared(_declared_duration_s(opened, stream), sample_rate_hz=stream.rate or 0)
        frames = _decode_frames(opened, stream, demuxer, source)
        # Rate and channels of the sound itself: an AAC header may tell half the rate (SBR) or one channel (PS).
        first = next(frames, None)
    if first is None:
        raise AudioEmptyError(f"the {demuxer} container holds no samples")
    audio_format = AudioFormat(
        sample_rate_hz=int(first.sample_rate), n_channels=int(first.layout.nb_channels), container=demuxer
    )
    downmix = Downmix()
    pieces = source.limits.watch(
        _mono_pieces(itertools.chain([first], frames), audio_format, downmix),
        sample_rate_hz=audio_format.sample_rate_hz,
    )
    return AudioStream(format=audio_format, blocks=join_pieces(pieces), downmix=downmix)


@contextlib.contextmanager
def _errors_named(demuxer: str, source: AudioSource) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, ValueError, EOFError, ArithmeticError) as exc:
        source.check()
        detail = " ".join(str(exc).split())[:200]
        raise AudioUnreadableError(f"a known container ({demuxer}), but its content is damaged: {detail}") from exc
    source.check()


def _declared_duration_s(opened: "av.container.InputContainer", stream: "av.AudioStream") -> float:
    """The stream's own length, or the container's where the stream has none; 0 where neither declares one."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return opened.duration / av.time_base if opened.duration else 0.0


def _flac_samples(stream: "av.AudioStream") -> int:
    """Samples by the header, 0 if unknown, as when it was written to a pipe. Source: RFC 9639, section 8.2."""
    return int.from_bytes((stream.codec_context.extradata or b"")[13:18], "big") & (1 << 36) - 1


def _open_decoder(stream: "av.AudioStream") -> "av.AudioCodecContext":
    """FFmpeg's decoder; of Opus the reference, libopus, from which FFmpeg's own differs by up to 0.005."""
    decoder: av.AudioCodecContext = stream.codec_context
    if decoder.name != "opus":
        return decoder
    opus = av.CodecContext.create("libopus", "r")
    opus.extradata, opus.sample_rate, opus.layout = decoder.extradata, decoder.sample_rate, decoder.layout
    opus.options = {"request_sample_fmt": "flt"}
    return opus


def _decode_frames(
    opened: "av.container.InputContainer", stream: "av.AudioStream", demuxer: str, source: AudioSource
) -> Iterator["av.AudioFrame"]:
    """Frames as the decoder gives them."""
    n_good = n_bad = n_samples = 0
    with opened, _errors_named(demuxer, source):
        decoder = _open_decoder(stream)
        for packet in opened.demux(stream):
            try:
                decoded = decoder.decode(packet)
            except av.FFmpegError:
                if demuxer not in _BARE_FRAMES:
                    raise
                n_bad += 1
                continue
            n_good += 1
            for frame in decoded:
                n_samples += frame.samples
                yield frame
    # More is well, as headers are written first; of fewer, FFmpeg has passed some over.
    if demuxer == "flac" and n_samples < _flac_samples(stream):
        raise AudioUnreadableError(f"damaged: {n_samples} of {_flac_samples(stream)} samples are there")
    if n_bad > n_good:
        raise AudioUnreadableError(f"{n_bad} of {n_bad + n_good} {demuxer} packets are damaged")


def _mono_pieces(
    frames: Iterator["av.AudioFrame"], audio_format: AudioFormat, downmix: Downmix
) -> Iterator[np.ndarray]:
    """Samples, mixed down at once.

    Decoders give some thousand samples at a time, for each of which Python takes as long as their decoding: they
    are joined before they are looked at.
    """
    n_read = 0
    held, kind = av.AudioFifo(), None
    for frame in frames:
        found = frame.sample_rate, frame.layout.nb_channels
        if found != (audio_format.sample_rate_hz, audio_format.n_channels):
            raise AudioUnreadableError(
                f"not one recording: after {n_read} samples of {audio_format.sample_rate_hz} Hz and "
                f"{audio_format.n_channels} channels come {found[0]} Hz and {found[1]}"
            )
        if kind != (frame.format.name, frame.layout.name):
            yield from _take(held, downmix)
            held, kind = av.AudioFifo(), (frame.format.name, frame.layout.name)
        n_read += frame.samples
        # What times the container tells of its packets decides nothing here.
        frame.pts = None
        held.write(frame)
        if held.samples * found[1] >= _HELD_VALUES:
            yield from _take(held, downmix)
    yield from _take(held, downmix)


def _take(held: "av.AudioFifo", downmix: Downmix) -> Iterator[np.ndarray]:
    """All that is held, as float32."""
    frame = held.read(partial=True) if held.samples else None
    if frame is None:
        return
    if frame.format.name == "fltp" and frame.layout.nb_channels <= _MAX_PLANES:
        yield downmix.mix(frame.to_ndarray().T)
        return
    resampler = av.AudioResampler(format="flt")
    for converted in (*resampler.resample(frame), *resampler.resample(None)):
        yield downmix.mix(converted.to_ndarray().reshape(-1, frame.layout.nb_channels))
