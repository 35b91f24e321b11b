"""What careless splits add, in collections where that is known."""

import numpy as np
import pytest

from deepsound.errors import ParameterError
from deepsound.evaluation import inflation
from deepsound.evaluation.inflation import (
    LabelledSegments,
    format_inflation,
    inflation_to_plain,
    measure_inflation,
)


def make_segments(n_artists=12, *, per_artist=4, n_segments=3, genre=0.0, artist=0.0, track=0.0, known=True):
    """Two genres; how strongly genre, artist and track are heard in the means."""
    rng = np.random.default_rng(0)
    n_tracks = n_artists * per_artist
    artists = np.arange(n_tracks) // per_artist
    genres = artists % 2
    sounds = genre * rng.normal(size=(2, 20))[genres] + artist * rng.normal(size=(n_artists, 20))[artists]
    sounds += track * rng.normal(size=(n_tracks, 20))
    owners = np.repeat(np.arange(n_tracks), n_segments)
    return LabelledSegments(
        means=sounds[owners] + rng.normal(size=(len(owners), 20)),
        track_indices=owners,
        genres=np.array(["blues", "jazz"])[genres],
        artists=np.array([f"artist {a}" if known else None for a in artists], object),
    )


def lines_of(segments, **options):
    report = measure_inflation(segments, **{"n_repeats": 3, **options})
    return {line.split: line for line in report.lines}, report


def test_a_model_that_hears_artists_only_flatters_by_track_and_not_by_artist():
    lines, report = lines_of(make_segments(n_artists=40, artist=3.0))
    assert list(lines) == ["random segments", "random tracks", "whole artists"]
    assert lines["random tracks"].low > 0.6
    assert lines["whole artists"].low < 0.5 < lines["whole artists"].high
    assert lines["random tracks"].inflation_low > 10
    assert lines["whole artists"].inflation_points == 0
    assert (report.n_tracks, report.n_artists, report.notes) == (160, 40, ())


def test_a_model_that_hears_tracks_only_flatters_by_segment():
    lines, _ = lines_of(make_segments(n_artists=48, per_artist=1, track=3.0))
    assert lines["random segments"].inflation_low > 10
    assert lines["random tracks"].inflation_low < 0 < lines["random tracks"].inflation_high


def test_a_model_that_hears_genres_does_not_flatter():
    lines, _ = lines_of(make_segments(genre=3.0))
    assert min(line.accuracy for line in lines.values()) > 0.95
    assert abs(lines["random segments"].inflation_points) < 5


def test_intervals_take_artists_as_units():
    lines, _ = lines_of(make_segments(n_artists=12, per_artist=12, artist=3.0, genre=0.5))
    line = lines["whole artists"]
    if_independent = 2 * 1.96 * np.sqrt(line.accuracy * (1 - line.accuracy) / 144)
    assert line.high - line.low > 1.5 * if_independent


def test_a_genre_that_a_fold_cannot_learn_moves_no_other():
    """Three genres, of which the first is in no training part."""
    centres = np.eye(3).repeat(20, axis=0)
    segments = LabelledSegments(
        means=centres + 0.01 * np.random.default_rng(0).normal(size=(60, 3)),
        track_indices=np.arange(60),
        genres=np.repeat(["ambient", "blues", "jazz"], 20),
        artists=np.arange(60).astype(object),
    )
    learned, tested = np.arange(20, 60, 2), np.r_[0:20, 21:60:2]
    is_right = inflation._judge(segments, iter([(learned, tested)]))
    assert is_right[tested].tolist() == [0.0] * 20 + [1.0] * 20


def test_artists_that_nobody_knows():
    lines, report = lines_of(make_segments(artist=3.0, known=False))
    assert list(lines) == ["random segments", "random tracks"]
    assert "no artist is known, so the line for whole artists cannot be had" in report.notes[0]
    assert lines["random tracks"].inflation_points == 0


def test_one_segment_a_track():
    lines, report = lines_of(make_segments(n_segments=1, artist=3.0))
    assert list(lines) == ["random tracks", "whole artists"]
    assert "every track is one segment" in report.notes[0]


def test_a_genre_of_one_artist_is_left_out():
    segments = make_segments(n_artists=13, genre=3.0)
    genres = segments.genres.copy()
    genres[-4:] = "polka"
    only = LabelledSegments(
        means=segments.means, track_indices=segments.track_indices, genres=genres, artists=segments.artists
    )
    _, report = lines_of(only)
    assert report.notes == ("left out, as only one artist is of that genre: polka",)
    assert report.n_tracks == 48


def test_large_collections_are_measured_on_some_artists(monkeypatch):
    monkeypatch.setattr(inflation, "_MAX_TRACKS", 30)
    _, report = lines_of(make_segments(n_artists=20, genre=2.0), n_repeats=1)
    assert report.n_tracks == 28
    assert report.n_artists == 7
    assert "measured on 28 tracks" in report.notes[0]


def test_too_little_to_divide():
    with pytest.raises(ParameterError, match=r"16 tracks of 4 artists .* in 2 genres are too few"):
        measure_inflation(make_segments(n_artists=4))
    segments = make_segments()
    one = LabelledSegments(
        means=segments.means,
        track_indices=segments.track_indices,
        genres=np.full(48, "jazz"),
        artists=segments.artists,
    )
    with pytest.raises(ParameterError, match="in 1 genres are too few"):
        measure_inflation(one)


def test_the_report_in_words_and_as_json():
    _, report = lines_of(make_segments(artist=3.0))
    text = format_inflation(report)
    assert text[0].endswith("5 folds, 3 repeats, 48 tracks, 12 known artists")
    assert [line.split("   ")[-1] for line in text[2:]][-1] == "what the others are held against"
    points = report.lines[1].inflation_points
    assert f"{points:+.1f} (" in text[3]
    plain = inflation_to_plain(report)
    assert [line["split"] for line in plain["lines"]] == ["random segments", "random tracks", "whole artists"]
    assert plain["lines"][1]["inflation_points"] == points


def test_the_same_seed_gives_the_same_figures():
    segments = make_segments(artist=1.0, genre=1.0)
    assert lines_of(segments, n_repeats=2)[1] == lines_of(segments, n_repeats=2)[1]
    assert lines_of(segments, n_repeats=2, seed=9)[1] != lines_of(segments, n_repeats=2)[1]
