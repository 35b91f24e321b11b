import io

import pytest

from deepsound.data.labels import Labeller, TrackLabels, parse_label_table
from deepsound.errors import LabelError


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


def test_table_is_relative_to_its_own_folder():
    text = "\ufeffpath,genre,artist,split\nx/1.wav,a,me,train\n../out/2.wav,b,,\n,,,\n"
    table = parse_label_table(text, where="t", folder="file:/music/in", root="file:/music/in/x")
    assert table == {"1.wav": TrackLabels(genre="a", artist="me", split="train")}
    labeller = Labeller(source="csv", table=table)
    assert labeller.labels_of("2.wav") == TrackLabels()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,genre\n1,a\n", "wanted path, genre"),
        ("path,genre\n1,a\n1,b\n", "twice and differently .second time in line 3"),
        ("path,genre,split\n1,a,dev\n", "split is 'dev'; wanted one of train"),
    ],
)
def test_bad_tables(text, message):
    with pytest.raises(LabelError, match=message):
        parse_label_table(text, where="t", folder="/m", root="/m")
