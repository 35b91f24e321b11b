"""What is no sound is told from what is damaged."""

import io

import pytest

from deepsound.audio.decode import decode_audio
from deepsound.errors import AudioUnreadableError, AudioUnsupportedError
from tests.sounds import make_id3v2


@pytest.mark.parametrize(
    "content",
    [
        b"the WAVE of the future, and its fmt chunk " * 9,
        b"ID3 tags, and how they are read: a text\n" * 9,
        "ID3, \N{LATIN SMALL LETTER E WITH ACUTE}tudes".encode() * 9,
        "A text as Windows writes it".encode("utf-16") * 9,
        b"<html><title>WAVE</title></html>" * 9,
        b"RIFF\x24\0\0\0WEBPVP8 " + bytes(range(200)),
        b"FORM\0\0\1\0ILBMBMHD" + bytes(range(200)),
        b"%PDF-1.7 ID3 WAVE",
    ],
)
def test_what_is_no_sound(content):
    with pytest.raises(AudioUnsupportedError):
        decode_audio(io.BytesIO(content), max_duration_s=60)


@pytest.mark.parametrize(
    "content",
    [
        make_id3v2(50) + b"x" * 500,
        make_id3v2(5000)[:300],
        b"\xff\xfb\x90\x64" + b"x" * 500,
        b"\xff\xfd\x90\x64" + b"x" * 500,
        b"RIFF\x24\0\0\0WAVEfmt " + b"x" * 500,
        b"FORM\0\0\1\0AIFFCOMM" + b"x" * 500,
        *(b"RIFF", b"RIFF\x24\0\0\0", b"FORM", b"OggS"),
        b"OggS" + b"x" * 500,
        b"fLaC" + b"x" * 500,
    ],
)
def test_what_was_sound(content):
    with pytest.raises(AudioUnreadableError, match="a known container"):
        decode_audio(io.BytesIO(content), max_duration_s=60)
