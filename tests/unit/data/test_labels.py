import io

import pytest

from deepsound.data.labels import Labeller, TrackLabels


@pytest.mark.parametrize(
    ("source", "track_id", "genre"),
    [
        ("parent_dir", "blues/blues.00000.wav", "blues"),
        ("parent_dir", "deep/er/jazz/x.wav", "jazz"),
        ("parent_dir", "x.wav", None),
        ("filename_prefix", "hiphop_3.wav", "hiphop"),
        ("filename_prefix", "a/b/blues.00000.wav", "blues"),
        ("filename_prefix", "hip-hop_3_live.wav", "hip-hop"),
        ("filename_prefix", "rock-12.mp3", "rock"),
        ("filename_prefix", "untitled.mp3", None),
        ("none", "blues/blues.00000.wav", None),
    ],
)
def test_genre_from_the_path(source, track_id, genre):
    assert Labeller(source=source).labels_of(track_id) == TrackLabels(genre=genre)


def test_labels_in_the_file():
    file = io.BytesIO(b"ID3\3\0\0\0\0\0\x1bTCON\0\0\0\5\0\0\0(17)TPE1\0\0\0\2\0\0\0A")
    tags = Labeller(source="tags")
    assert tags.reads_files
    assert tags.labels_in(file, track_id="blues/x.mp3") == TrackLabels(genre="Rock", artist="A")
    assert tags.labels_of("blues/x.mp3") == TrackLabels()
    folders = Labeller(source="parent_dir")
    assert not folders.reads_files
    assert folders.labels_in(file, track_id="blues/x.mp3") == TrackLabels(genre="blues")
