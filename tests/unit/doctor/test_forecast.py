"""The pilot's draw and the line through its runs, on numbers that can be done in the head."""

import collections

import numpy as np
import pytest

from deepsound.doctor.forecast import (
    NOISE,
    AudioFile,
    Pilot,
    Trial,
    choose_files,
    estimate_audio,
    follow_line,
    format_forecast,
)


def make_files(ending, *sizes):
    return [
        AudioFile(ending=ending, size_bytes=size, path=f"{number:05d}.{ending}")
        for number, size in enumerate(sizes)
    ]


def make_pilot(files, *, seed=0):
    return Pilot(files=choose_files(files, seed=seed), decodable=files, n_files=len(files))


def test_each_ending_has_its_share_and_a_rare_one_is_there():
    files = make_files("mp3", *range(1, 301)) + make_files("wav", *range(1, 101)) + make_files("ogg", *range(1, 6))
    chosen = choose_files(files, seed=0)
    assert collections.Counter(file.ending for file in chosen) == {"mp3": 18, "wav": 6, "ogg": 2}
    assert len(set(chosen)) == len(chosen)


def test_each_size_has_its_share_whatever_the_order_of_files():
    files = make_files("mp3", *range(240))
    for seed in range(20):
        shuffled = [files[i] for i in np.random.default_rng(seed).permutation(len(files))]
        chosen = choose_files(shuffled, seed=seed)
        # One in each twenty-fourth of the sizes.
        assert sorted(file.size_bytes // 10 for file in chosen) == list(range(24))
        # And the quarter that is extracted first is spread likewise.
        assert sorted(file.size_bytes // 40 for file in chosen[:6]) == list(range(6))


def test_every_file_is_drawn_as_often_as_any_other():
    files = make_files("mp3", *range(50))
    drawn = collections.Counter(file for seed in range(3000) for file in choose_files(files, seed=seed))
    counts = np.array([drawn[file] for file in files])
    assert counts.mean() == 3000 * 24 / 50
    assert counts.min() > 0.9 * counts.mean()


@pytest.mark.parametrize("n_files", [1, 2, 23])
def test_few_files_are_all_taken(n_files):
    files = make_files("mp3", *range(1, n_files + 1))
    assert sorted(choose_files(files, seed=0)) == files


def test_a_seed_gives_one_pilot():
    files = make_files("mp3", *range(500))
    assert choose_files(files, seed=7) == choose_files(files, seed=7) != choose_files(files, seed=8)


def test_audio_is_estimated_by_ending():
    """A byte of WAV is 10 ms, one of MP3 is 100 ms; the bytes of each are those of all files."""
    pilot = make_pilot(make_files("mp3", *range(100, 400)) + make_files("wav", *range(1000, 4000, 10)))
    rate = {"mp3": 0.1, "wav": 0.01}
    audio_s = [file.size_bytes * rate[file.ending] for file in pilot.files]
    truth = sum(file.size_bytes * rate[file.ending] for file in pilot.decodable)
    assert estimate_audio(pilot, audio_s=audio_s) == pytest.approx(truth)


def test_a_line_leads_on_and_its_start_does_not_grow():
    points = [(100.0, 12.0), (150.0, 13.0), (300.0, 20.0)]
    value, half, start = follow_line(points, to=1000.0, share=1.0)
    assert (value, start) == (pytest.approx(48.0), pytest.approx(8.0))
    # Twice the cores, half the steepness.
    assert follow_line(points, to=1000.0, share=0.5)[0] == pytest.approx(28.0)
    # 700 beyond the last point, 3.5 times the width: either point's 15 % so many times, and the job's own.
    assert half == pytest.approx(NOISE * (48.0**2 + (3.5 * 12) ** 2 + (3.5 * 20) ** 2) ** 0.5)


def test_what_was_measured_is_as_certain_as_a_second_run():
    value, half, _ = follow_line([(100.0, 12.0), (300.0, 20.0)], to=300.0, share=1.0)
    assert (value, half) == (pytest.approx(20.0), pytest.approx(3.0))


def test_a_pilot_that_was_no_slower_or_all_silent_gives_no_steepness():
    assert follow_line([(100.0, 20.0), (300.0, 18.0)], to=1000.0, share=1.0)[::2] == (18.0, 18.0)
    assert follow_line([(0.0, 20.0), (0.0, 25.0)], to=0.0, share=1.0)[::2] == (25.0, 25.0)


def test_lines_for_people():
    pilot = Pilot(files=make_files("mp3", 10, 30), decodable=make_files("mp3", *[20] * 180), n_files=200)
    trial = Trial(
        n_cores=2,
        wall_s={2: 1800.0, 4: 3600.0},
        worker_bytes=300_000_000,
        output_bytes=4_000_000_000,
        audio_s=[1800.0, 5400.0],
        error_codes=[None, None],
    )
    lines = list(format_forecast(pilot, trial, n_cores=4))
    # A byte is 180 s; 7200 s of it are another half an hour on two cores, and start-up is nothing.
    assert lines[0] == "prediction for 200 files, 180.00 hours of audio, on 4 cores:"
    assert lines[1].split()[:4] == ["wall", "time", "22.5", "hours"]
    assert lines[2].split() == ["output", "180", "GB", "153", "to", "207", "GB"]
    assert lines[3].split() == ["worker", "memory", "0.3", "GB", "0.255", "to", "0.345", "GB"]
    assert lines[4] == (
        "  from 2 files in 1800 s, 4 files in 3600 s on 2 cores, 0 s of it start-up; two runs may differ by 15 %"
    )
