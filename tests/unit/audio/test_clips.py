"""Clips of tracks: ten seconds of the right place, and a reason where there is none."""

import io
import os

import numpy as np
import pytest
import soundfile

from deepsound.audio import clips, storage
from deepsound.audio.clips import ClipLimits, ClipRequest, cut_clips, draw_spectrogram
from deepsound.audio.storage import open_file

LIMITS = ClipLimits(max_bytes=10_000_000, max_duration_s=60.0)


def write_steps(path, sample_rate_hz, seconds=20):
    """A tone that goes up by 100 Hz each second."""
    time_s = np.arange(seconds * sample_rate_hz) / sample_rate_hz
    frequency_hz = 400 + 100 * np.floor(time_s)
    phase = 2 * np.pi * np.cumsum(frequency_hz) / sample_rate_hz
    soundfile.write(path, np.stack([0.5 * np.sin(phase)] * 2, axis=1), sample_rate_hz)
    return f"file:{path}"


def loudest_hz(mp3, second):
    samples, rate_hz = soundfile.read(io.BytesIO(mp3))
    part = samples[round((second + 0.3) * rate_hz) : round((second + 0.7) * rate_hz)]
    return np.abs(np.fft.rfft(part)).argmax() * rate_hz / len(part)


@pytest.mark.parametrize(("sample_rate_hz", "asked_s", "start_s"), [(22050, 7, 7), (44100, 18, 10), (8000, 0, 0)])
def test_ten_seconds_from_where_they_were_asked(tmp_path, sample_rate_hz, asked_s, start_s):
    uri = write_steps(tmp_path / "a.wav", sample_rate_hz)
    (clip,) = cut_clips([ClipRequest(uri=uri, start_s=asked_s)], limits=LIMITS)
    assert (clip.start_s, clip.duration_s) == pytest.approx((start_s, 10.0), abs=0.01)
    info = soundfile.info(io.BytesIO(clip.mp3))
    assert (info.format, info.channels, info.samplerate) == ("MP3", 1, 44100)
    assert 8 * len(clip.mp3) / clip.duration_s < 66_000
    for second in (0, 4, 9):
        assert loudest_hz(clip.mp3, second) == pytest.approx(400 + 100 * (start_s + second), abs=15)
    assert clip.picture.shape == (len(clip.picture), 64)
    # The tone rises, and so does the loudest band.
    assert clip.picture[-5].argmax() > clip.picture[5].argmax()


def test_a_short_track_is_heard_whole(tmp_path):
    (clip,) = cut_clips([ClipRequest(uri=write_steps(tmp_path / "a.wav", 16000, 3), start_s=1.0)], limits=LIMITS)
    assert (clip.start_s, clip.duration_s) == pytest.approx((0.0, 3.0))


def test_what_cannot_be_heard_is_told_and_stops_nothing(tmp_path):
    uri = write_steps(tmp_path / "a.wav", 8000)
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "empty.wav").touch()
    os.mkfifo(tmp_path / "pipe.wav")
    uris = [
        f"file:{tmp_path}/gone.wav",
        f"file:{tmp_path}/text.wav",
        f"file:{tmp_path}/empty.wav",
        f"file:{tmp_path}/pipe.wav",
        f"file:{tmp_path}",
        "nowhere://bucket/a.wav",
        f"local://{tmp_path}/gone.wav",
        "",
        uri,
    ]
    *reasons, clip = cut_clips([ClipRequest(uri=u) for u in uris], limits=LIMITS)
    damaged = "cannot be decoded"
    expected = [
        "No such file",
        damaged,
        damaged,
        "no file",
        "irectory",
        "nowhere",
        "No such file",
        "does not say where",
    ]
    for reason, words in zip(reasons, expected, strict=True):
        assert words in reason
    assert clip.duration_s == pytest.approx(10.0)
    small = ClipLimits(max_bytes=100, max_duration_s=60.0)
    short = ClipLimits(max_bytes=10_000_000, max_duration_s=5.0)
    assert "more than max_bytes" in cut_clips([ClipRequest(uri=uri)], limits=small)[0]
    assert "max_duration_s" in cut_clips([ClipRequest(uri=uri)], limits=short)[0]
    assert cut_clips([], limits=LIMITS) == []


def test_what_lies_elsewhere_is_fetched_if_it_is_small(tmp_path, monkeypatch):
    # What fsspec calls local is none of the paths that are opened here.
    uri = f"local://{write_steps(tmp_path / 'a [1].wav', 8000).removeprefix('file:')}"
    (clip,) = cut_clips([ClipRequest(uri=uri, start_s=7.0)], limits=LIMITS)
    assert (clip.start_s, clip.duration_s) == pytest.approx((7.0, 10.0))
    small = ClipLimits(max_bytes=100_000, max_duration_s=60.0)
    (reason,) = cut_clips([ClipRequest(uri=uri)], limits=small)
    assert "more than are fetched" in reason
    monkeypatch.setattr(storage, "_MAX_FETCHED_BYTES", 1000)
    with pytest.raises(OSError, match="more than are fetched"):
        open_file(uri, max_bytes=10_000_000)
    assert open_file(uri.replace("local://", "file:"), max_bytes=10_000_000).read(4) == b"RIFF"


def test_a_decoder_that_dies_takes_one_clip_with_it(monkeypatch):
    asked = []

    def dies_of_bad(requests, _):
        asked.append(len(requests))
        uris = [request.uri for request in requests]
        return [f"heard {uri}" for uri in (uris[: uris.index("bad")] if "bad" in uris else uris)]

    monkeypatch.setattr(clips, "_cut_until_death", dies_of_bad)
    dead = "its decoder or storage hung, or died"
    requests = [ClipRequest(uri=uri) for uri in ("a", "bad", "b", "bad", "c")]
    assert cut_clips(requests, limits=LIMITS) == ["heard a", dead, "heard b", dead, "heard c"]
    assert asked == [5, 3, 1]
    found = cut_clips([ClipRequest(uri="bad")] * 5, limits=LIMITS)
    assert found == [dead] * 3 + ["not read, as decoders had died of others"] * 2


def test_a_child_that_ends_early_gives_what_it_had(monkeypatch):
    code = "print('{\"reason\": \"one\"}', flush=True); print('{\"rea', end='', flush=True); raise SystemExit(1)"
    monkeypatch.setattr(clips, "child_command", lambda _: [clips.sys.executable, "-c", code])
    assert clips._cut_until_death([ClipRequest(uri="a"), ClipRequest(uri="b")], LIMITS) == ["one"]


def test_silence_has_a_picture():
    assert draw_spectrogram(np.zeros(44100, np.float32)).min() == 255
