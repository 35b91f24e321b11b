"""Sound with odd things around it, or with a header that does not tell its length: none of it may be lost."""

import contextlib
import functools
import io

import av
import numpy as np
import pytest

from deepsound.audio.decode import decode_audio
from deepsound.audio.mpeg import find_mpeg_audio
from deepsound.errors import AudioUnreadableError, TrackError
from tests.lies import with_checksum
from tests.sounds import encode, make_apev2, make_id3v2, make_tone, with_unknown_length, without_xing, write_pcm
from tests.sounds import write_samples as write

RATE_HZ = 44100
JUNK = np.random.default_rng(3).bytes(5000)
# Of an MP3's frames in samples, and twice, as an encoder begins and ends with some silence.
SLACK_SAMPLES = 2 * 1152


def decode(content, *, max_duration_s=60.0):
    return decode_audio(io.BytesIO(content), max_duration_s=max_duration_s)


@functools.cache
def make_mp3(mode, *, is_stereo=False):
    """Eight seconds of noise, then eight of next to nothing: a variable bit rate varies a lot."""
    rng = np.random.default_rng(0)
    waveform = rng.uniform(-0.5, 0.5, 16 * RATE_HZ).astype(np.float32)
    waveform[8 * RATE_HZ :] *= 1e-4
    samples = np.stack([waveform, waveform], 1) if is_stereo else waveform
    return write(samples, "MP3", "MPEG_LAYER_III", RATE_HZ, bitrate_mode=mode, compression_level=0.3)


@pytest.mark.parametrize("mode", ["VARIABLE", "AVERAGE", "CONSTANT"])
@pytest.mark.parametrize("is_stereo", [False, True])
def test_an_mp3_is_whole_with_and_without_a_count_of_its_frames(mode, is_stereo):
    counted = make_mp3(mode, is_stereo=is_stereo)
    whole = decode(counted)
    assert len(whole.waveform) == 16 * RATE_HZ
    uncounted = decode(without_xing(counted))
    assert uncounted.format == whole.format
    assert 0 <= len(uncounted.waveform) - len(whole.waveform) <= SLACK_SAMPLES
    # The same sound, but late: only the lost frame told of the encoder's delay (576) and the decoder's (529).
    middle = slice(4 * RATE_HZ, 5 * RATE_HZ)
    later = uncounted.waveform[1105:][middle]
    np.testing.assert_allclose(later, whole.waveform[middle], atol=1e-4)


def test_of_two_joined_mp3s_both_are_read():
    one = make_mp3("CONSTANT")
    # The second one's header is a frame of silence, and each has some at its ends.
    assert 32 * RATE_HZ <= len(decode(one + one).waveform) <= 32 * RATE_HZ + 5 * 1152


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        (make_id3v2(10), b""),
        (make_id3v2(3_000_000, b"APIC" + JUNK), b""),  # a picture
        (make_id3v2(100) + make_id3v2(3000), b""),
        (b"", b"TAG" + bytes(125)),  # ID3v1
        (b"", b"TAG" + "Möwen".encode("latin-1").ljust(125, b"\0")),
        (b"", make_apev2(200)),
        (b"", make_apev2(300_000) + b"TAG" + bytes(125)),
        (bytes(1), b""),
        (bytes(100_000), b""),
        (make_id3v2(300) + bytes(4096), b""),
        (JUNK, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n", b"\r\n0\r\n"),
        (make_id3v2(0)[:6] + b"\x7f\x7f\x7f\x7f", b""),  # says that it is 256 MB
    ],
)
@pytest.mark.parametrize("is_counted", [True, False])
def test_what_stands_around_an_mp3_is_passed_over(before, behind, is_counted):
    mp3 = write_pcm("MP3", "MPEG_LAYER_III", RATE_HZ, 2)
    bare = mp3 if is_counted else without_xing(mp3)
    expected = decode(bare)
    found = decode(before + bare + behind)
    assert found.format == expected.format
    assert expected.format.container == "mp3"
    # Behind junk another decoder takes over, whose rounding differs.
    np.testing.assert_allclose(found.waveform, expected.waveform, atol=1e-4)


def test_junk_between_the_frames_of_an_mp3_is_passed_over():
    mp3 = without_xing(write_pcm("MP3", "MPEG_LAYER_III", RATE_HZ, 2))
    half = len(mp3) // 2
    found = decode(mp3[:half] + JUNK + mp3[half:])
    # The cut frame, and those that lean on its bits.
    assert len(found.waveform) == pytest.approx(len(decode(mp3).waveform), abs=5 * 1152)


@pytest.mark.parametrize("codec", ["mp3", "aac"])
def test_a_stream_with_more_junk_than_frames_is_damaged(codec):
    frames = encode("adts", "aac", 48000, seconds=0.3)
    if codec == "mp3":
        frames = without_xing(write_pcm("MP3", "MPEG_LAYER_III", RATE_HZ, 1, seconds=0.3))
    rng = np.random.default_rng(0)
    with pytest.raises(AudioUnreadableError, match=rf"\d+ of \d+ {codec} packets are damaged"):
        decode(frames + rng.bytes(400_000))


def test_a_cut_stream_of_frames_is_read_as_far_as_it_goes():
    adts = encode("adts", "aac", 48000)
    assert decode(adts[: len(adts) // 2]).duration_s == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("before", [b"", make_id3v2(100)])
def test_a_flac_of_unknown_length(subtype, before):
    # Longer than a block, as libsndfile fails only at the end of the last.
    flac = write_pcm("FLAC", subtype, 48000, 2, seconds=7)
    expected, found = decode(flac), decode(before + with_unknown_length(flac))
    assert found.format == expected.format
    np.testing.assert_allclose(found.waveform, expected.waveform, atol=1e-7)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "AIFF"])
@pytest.mark.parametrize("tags", [make_id3v2(301), make_id3v2(20) + make_id3v2(301)])
def test_tags_before_any_container(container, tags):
    content = write_pcm(container, "PCM_16", 8000, 1)
    np.testing.assert_array_equal(decode(tags + content).waveform, decode(content).waveform)


def test_ffmpeg_says_nothing_on_the_standard_error(capfd):
    for content in (encode("ipod", "aac"), encode("adts", "aac"), encode("flac", "flac"), encode("ogg", "flac")):
        with contextlib.suppress(TrackError):
            decode(content[:9000] + JUNK + content[9000 + len(JUNK) :])
    assert capfd.readouterr().err == ""


def test_damage_in_a_container_is_not_passed_over():
    m4a = encode("ipod", "aac", 48000)
    sound = m4a.index(b"mdat") + 4
    with pytest.raises(AudioUnreadableError, match=r"a known container \(mp4\), but its content is damaged"):
        decode(m4a[: sound + 5000] + JUNK + m4a[sound + 5000 + len(JUNK) :])


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_flac_in_ogg(layout):
    found, expected = (decode(encode(container, "flac", 44100, layout)) for container in ("ogg", "flac"))
    assert found.format.container == "ogg"
    np.testing.assert_array_equal(found.waveform, expected.waveform)


@pytest.mark.parametrize("codecs", [("flac", "libopus"), ("libopus", "flac")])
def test_of_an_ogg_with_several_streams_the_first_is_read(codecs):
    output = io.BytesIO()
    with av.open(output, "w", format="ogg") as opened:
        streams = [opened.add_stream(codec, rate=48000, layout="mono") for codec in codecs]
        for number, block in enumerate(np.split(make_tone(48000, 1), 125, axis=1)):
            for level, stream in enumerate(streams):
                frame = av.AudioFrame.from_ndarray(0.5**level * block, format="flt", layout="mono")
                frame.sample_rate, frame.pts = 48000, 1152 * number
                opened.mux(stream.encode(frame))
        for stream in streams:
            opened.mux(stream.encode(None))
    audio = decode(output.getvalue())
    assert (audio.format.container, audio.format.n_channels) == ("ogg", 1)
    assert audio.duration_s == pytest.approx(3, abs=0.02)
    assert np.abs(audio.waveform).max() == pytest.approx(0.5, abs=0.05)


def test_what_neither_decoder_opens_is_told_by_the_first():
    ogg = write_pcm("OGG", "VORBIS", 44100, 1)
    with pytest.raises(AudioUnreadableError, match="a known container, but its content is damaged"):
        decode(ogg[:28] + bytes(30) + ogg[58:])


@pytest.mark.parametrize(("subtype", "rate_hz"), [("VORBIS", 44100), ("OPUS", 48000)])
def test_all_links_of_a_chained_ogg(subtype, rate_hz):
    first = write_pcm("OGG", subtype, rate_hz, 2, seconds=2)
    second = _with_other_serial(write_pcm("OGG", subtype, rate_hz, 2, seconds=3))
    assert decode(first + second).duration_s == pytest.approx(5, abs=0.05)
    assert decode(first + second).format == decode(first).format


def test_a_chained_ogg_of_two_formats_is_not_one_recording():
    second = _with_other_serial(write_pcm("OGG", "VORBIS", 22050, 1))
    with pytest.raises(AudioUnreadableError):
        decode(write_pcm("OGG", "VORBIS", 44100, 2) + second)


def _with_other_serial(ogg):
    pages = [b"OggS" + rest for rest in ogg.split(b"OggS")[1:]]
    return b"".join(with_checksum(page[:14] + b"next" + page[18:]) for page in pages)


def test_a_stream_whose_format_changes_on_the_way_is_not_one_recording():
    first, second = (encode("adts", "aac", 48000, layout) for layout in ("stereo", "mono"))
    with pytest.raises(AudioUnreadableError, match=r"2 channels come 48000 Hz and 1"):
        decode(first + second)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 24000, 32000, 44100])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_the_frames_of_every_mpeg_rate_are_found(rate_hz, n_channels):
    mp3 = write_pcm("MP3", "MPEG_LAYER_III", rate_hz, n_channels)
    found = find_mpeg_audio(bytes(77) + mp3)
    assert found.first_byte == 77
    # What LAME counts is the whole stream; this encoder writes nothing around it.
    assert found.n_bytes == len(mp3)


@pytest.mark.parametrize("name", ["mp2", "mp3"])
def test_frames_of_ffmpegs_encoders_are_found(name):
    content = encode(name, {"mp2": "mp2", "mp3": "libmp3lame"}[name], 44100)
    assert find_mpeg_audio(content[content.index(b"\xff") :]).first_byte == 0
    assert decode(content).duration_s == pytest.approx(3, abs=0.05)


def test_a_few_frames_are_found_only_if_they_end_where_the_file_does():
    mp3 = write_pcm("MP3", "MPEG_LAYER_III", RATE_HZ, 1)
    ends = [i for i in range(1, 5000) if find_mpeg_audio(mp3[:i]) is not None]
    frame = len(mp3) - len(without_xing(mp3))
    assert frame in ends
    assert all(end in (frame, ends[1], ends[2]) or end > ends[2] for end in ends)
    assert len([end for end in ends if end < ends[3]]) == 3


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"\xff\xfb", b"\xff" * 5000, bytes(5000), b"\xff\xfb\x90\x00" * 99]
)
def test_other_content_is_no_mpeg_audio(content):
    assert find_mpeg_audio(content) is None
    with pytest.raises(TrackError):
        decode(content + b"x")


def test_headers_that_follow_but_differ_are_no_mpeg_audio():
    # Layer III at 128 kbit/s: 417 bytes at 44.1 kHz, 384 at 48 kHz.
    frames = [b"\xff\xfb\x90\x00".ljust(417, b"\0"), b"\xff\xfb\x94\x00".ljust(384, b"\0")]
    assert find_mpeg_audio(frames[0] * 4).first_byte == 0
    assert find_mpeg_audio(frames[1] * 4).first_byte == 0
    assert find_mpeg_audio(b"".join(frames * 4) + b"x") is None


def test_a_xing_header_that_counts_only_frames_tells_no_bytes():
    mp3 = write_pcm("MP3", "MPEG_LAYER_III", RATE_HZ, 1)
    flags = mp3.index(b"Xing") + 7
    assert mp3[flags] & 3 == 3
    assert find_mpeg_audio(mp3[:flags] + b"\1" + mp3[flags + 1 :]).n_bytes is None
    assert decode(mp3[:flags] + b"\1" + mp3[flags + 1 :]).duration_s == pytest.approx(3, abs=0.1)


def test_noise_is_no_mpeg_audio():
    rng = np.random.default_rng(0)
    assert find_mpeg_audio(rng.bytes(1 << 22)) is None


def test_the_tone_is_what_the_tests_think_it_is():
    np.testing.assert_allclose(
        decode(write_pcm("WAV", "FLOAT", 8000, 2)).waveform, make_tone(8000, 2).mean(0), atol=1e-6
    )
