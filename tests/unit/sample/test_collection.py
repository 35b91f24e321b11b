import csv
import hashlib

import numpy as np
import pytest
import soundfile

from deepsound.errors import ParameterError
from deepsound.sample import compose_collection, compose_ood_collection
from deepsound.sample.composer import compose_track, invent_artist
from deepsound.sample.genres import GENRES
from deepsound.taxonomy import GTZAN_GENRES


def digests(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.wav")}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    return folder, compose_collection(folder, tracks_per_genre=1, n_workers=1)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ood")
    return folder, compose_ood_collection(folder, tracks_per_genre=1, n_workers=1)


def test_genres_are_gtzans():
    assert tuple(GENRES) == GTZAN_GENRES


def test_manifest_lists_the_files(small):
    folder, tracks = small
    with (folder / "manifest.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["path"] for row in rows] == [track.path for track in tracks]
    assert {row["path"] for row in rows} == set(digests(folder))


def test_clips_are_10_to_30_s_and_differ_in_loudness(small):
    folder, tracks = small
    levels = []
    for track in tracks:
        samples, rate_hz = soundfile.read(folder / track.path)
        assert rate_hz == 22050
        assert 10 <= len(samples) / rate_hz <= 30
        assert 0 < np.abs(samples).max() <= 1
        levels.append(20 * np.log10(np.sqrt(np.mean(samples**2))))
    assert max(levels) - min(levels) > 3


def test_a_track_depends_on_seed_genre_and_number_only(small, tmp_path):
    folder, _ = small
    compose_collection(tmp_path, tracks_per_genre=2, n_workers=2)
    again = digests(tmp_path)
    first = digests(folder)
    assert {name: again[name] for name in first} == first
    assert len(set(again.values())) == 20


def test_another_seed_is_other_music():
    def clip(seed):
        artist = invent_artist("pop", rng=np.random.default_rng(seed))
        return compose_track(artist, duration_s=2, sample_rate_hz=22050, rng=np.random.default_rng(seed))

    np.testing.assert_array_equal(clip(1), clip(1))
    assert np.abs(clip(1) - clip(2)).max() > 0.01


def test_foreign_collection_varies_and_breaks(foreign):
    folder, tracks = foreign
    assert len(tracks) == 13
    kinds, broken = set(), []
    for track in tracks:
        try:
            samples, rate_hz = soundfile.read(folder / track.path, always_2d=True)
            kinds.add((track.path.rsplit(".")[-1], rate_hz, samples.shape[1]))
        except soundfile.LibsndfileError:
            broken.append(track.path)
    assert sorted(broken) == ["jazz_2.wav", "pop_2.wav", "rock_2.flac"]
    assert {kind[0] for kind in kinds} == {"wav", "flac", "ogg", "mp3"}
    assert {kind[2] for kind in kinds} == {1, 2}
    assert {16000, 48000} <= {kind[1] for kind in kinds}


def test_refusals(tmp_path):
    with pytest.raises(ParameterError, match="tracks_per_genre is 0"):
        compose_collection(tmp_path, tracks_per_genre=0)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ParameterError, match="is a file"):
        compose_ood_collection(tmp_path / "file")
