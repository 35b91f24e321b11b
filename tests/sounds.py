"""Tones in any container and codec, in memory, and the odd things that stand around them."""

import io
import pathlib
import struct
import tempfile

import av
import numpy as np
import soundfile

SECONDS = 3.0


def make_tone(sample_rate_hz, n_channels, *, seconds=SECONDS):
    """(n_channels, n_samples): 440 Hz, each channel quieter than the one before, so that a lost one shows."""
    time_s = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    return np.stack([0.5 / (i + 1) * np.sin(2 * np.pi * 440 * time_s) for i in range(n_channels)]).astype(
        np.float32
    )


def encode(
    container, codec, sample_rate_hz=44100, layout="stereo", *, seconds=SECONDS, options=None, picture_first=False
):
    tone = make_tone(sample_rate_hz, av.AudioLayout(layout).nb_channels, seconds=seconds)
    # A file, as the muxer of MP4 reads what it wrote when it moves the index to the front.
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "sound"
        _encode(path, tone, container, codec, sample_rate_hz, layout, options or {}, picture_first)
        return path.read_bytes()


def _encode(path, tone, container, codec, sample_rate_hz, layout, options, picture_first):
    with av.open(str(path), "w", format=container, options=options) as opened:
        picture = _add_picture(opened) if picture_first else None
        stream = opened.add_stream(codec, rate=sample_rate_hz, layout=layout)
        stream.bit_rate = 128_000
        for packet in picture.encode(av.VideoFrame(32, 32, "yuvj420p")) if picture else []:
            opened.mux(packet)
        for start in range(0, tone.shape[1], 1024):
            # Interleaved, as PyAV reads and writes beyond the planes of a frame with eight or more.
            block = tone[:, start : start + 1024].T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
            frame.sample_rate, frame.pts = sample_rate_hz, start
            opened.mux(stream.encode(frame))
        opened.mux(stream.encode(None))


def _add_picture(opened):
    picture = opened.add_stream("mjpeg", rate=25)
    picture.width, picture.height, picture.pix_fmt = 32, 32, "yuvj420p"
    return picture


def write_pcm(container, subtype, sample_rate_hz, n_channels, *, seconds=SECONDS, **options):
    return write_samples(
        make_tone(sample_rate_hz, n_channels, seconds=seconds).T, container, subtype, sample_rate_hz, **options
    )


def write_samples(samples, container, subtype, sample_rate_hz, **options):
    output = io.BytesIO()
    soundfile.write(output, samples, sample_rate_hz, subtype, format=container, **options)
    return output.getvalue()


def write_long(path, *, container, subtype, sample_rate_hz, seconds, seed=0):
    """A tone and noise in a file, minute by minute, so that no more than that is in memory."""
    rng = np.random.default_rng(seed)
    with soundfile.SoundFile(path, "w", sample_rate_hz, 1, subtype, format=container) as sound:
        for start in range(0, seconds, 60):
            time_s = np.arange(min(60, seconds - start) * sample_rate_hz) / sample_rate_hz
            tone = 0.3 * np.sin(2 * np.pi * (200 + start % 1000) * time_s)
            sound.write((tone + 0.03 * rng.normal(size=len(time_s))).astype(np.float32))
    return path


def make_id3v2(n_bytes, body=b""):
    """An ID3v2.3 tag that says it has ``n_bytes`` behind its header, filled up with zeros."""
    size = bytes(n_bytes >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + size + body.ljust(n_bytes, b"\0")


def make_apev2(n_bytes):
    """An APEv2 tag with header and footer, whose one item is ``n_bytes`` long."""
    item = n_bytes.to_bytes(4, "little") + bytes(4) + b"Cover Art (Front)\0" + bytes(n_bytes)
    size = (len(item) + 32).to_bytes(4, "little")
    header, footer = (
        b"APETAGEX" + (2000).to_bytes(4, "little") + size + (1).to_bytes(4, "little") + flags + bytes(8)
        for flags in (b"\0\0\0\xa0", b"\0\0\0\x80")
    )
    return header + item + footer


def without_xing(mp3):
    """An MPEG-1 layer III file without its first frame, which only holds the count of the others."""
    kbps = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[mp3[2] >> 4]
    rate_hz = (44100, 48000, 32000)[mp3[2] >> 2 & 3]
    n_bytes = 144_000 * kbps // rate_hz + (mp3[2] >> 1 & 1)
    assert any(tag in mp3[:n_bytes] for tag in (b"Xing", b"Info"))
    return mp3[n_bytes:]


def with_unknown_length(flac):
    """A FLAC whose header leaves the number of samples open, as one written to a pipe."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


class BrokenFile(io.BytesIO):
    """A file whose storage fails on any read that reaches byte ``first_bad``; ``healthy_reads`` come before."""

    def __init__(self, content, *, first_bad, error=None, healthy_reads=0):
        super().__init__(content)
        self._first_bad, self._error = first_bad, error or OSError(5, "the disk is on fire")
        self._healthy_reads = healthy_reads

    def read(self, n_bytes=-1):
        self._healthy_reads -= 1
        start = self.tell()
        data = super().read(n_bytes)
        if self._healthy_reads < 0 and start + len(data) > self._first_bad:
            raise self._error
        return data


def write_flac(samples, *, bits, sample_rate_hz, n_declared=None):
    """A FLAC of any width, its samples written as they are (RFC 9639: VERBATIM subframes), mono.

    Parameters
    ----------
    samples : sequence of int
        In ``bits`` bits with a sign.
    n_declared : int or None
        Samples that the header names; None for as many as there are.
    """
    block = 4096
    n_samples = len(samples) if n_declared is None else n_declared
    numbers = sample_rate_hz << 44 | (bits - 1) << 36 | n_samples
    info = struct.pack(">HH", block, block) + bytes(6) + numbers.to_bytes(8, "big") + bytes(16)
    frames = [
        _flac_frame(samples[first : first + block], bits, number)
        for number, first in enumerate(range(0, len(samples), block))
    ]
    return b"fLaC\x80\0\0\x22" + info + b"".join(frames)


def _flac_frame(samples, bits, number):
    # Block size in 16 bits at the end; rate and width are those of the header at the beginning. One byte is enough
    # for the number of a frame up to 127.
    header = b"\xff\xf8\x70\0" + bytes([number]) + struct.pack(">H", len(samples) - 1)
    header += bytes([_crc(header, 8, 0x07)])
    text = "00000010" + "".join(format(int(sample) & (1 << bits) - 1, f"0{bits}b") for sample in samples)
    body = int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")
    return header + body + _crc(header + body, 16, 0x8005).to_bytes(2, "big")


def _crc(content, n_bits, polynomial):
    crc = 0
    for byte in content:
        crc ^= byte << n_bits - 8
        for _ in range(8):
            crc = (crc << 1 ^ (polynomial if crc >> n_bits - 1 else 0)) & (1 << n_bits) - 1
    return crc


def write_dsf(n_channels):
    """A tone in DSD (Sony's DSF 1.01): one bit a sample at 2.8 MHz, blocks of 4,096 bytes for each channel."""
    rate_hz, block = 2_822_400, 4096
    tone = make_tone(rate_hz, n_channels)
    pulses = np.diff(np.floor(np.cumsum((tone.astype(np.float64) + 1) / 2, axis=1)), axis=1, prepend=0)
    packed = np.packbits(pulses > 0, axis=1, bitorder="little")
    packed = np.pad(packed, ((0, 0), (0, -packed.shape[1] % block)))
    sound = packed.reshape(n_channels, -1, block).swapaxes(0, 1).tobytes()
    fmt = struct.pack(
        "<4sQIIIIIIQII", b"fmt ", 52, 1, 0, n_channels, n_channels, rate_hz, 1, tone.shape[1], block, 0
    )
    data = b"data" + struct.pack("<Q", 12 + len(sound)) + sound
    return b"DSD " + struct.pack("<QQQ", 28, 28 + len(fmt) + len(data), 0) + fmt + data
