"""The tracks of a tar and their labels, as WebDataset puts them side by side."""

import io
import json
import subprocess
import tarfile

import pytest

from deepsound.errors import InputError
from deepsound.sources.tar_shards import list_tar


def tar_of(*members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content, *kind in members:
            info = tarfile.TarInfo(name)
            info.mtime = 7
            if kind:
                info.type, info.linkname = kind[0], content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def tracks_of(*members):
    return list(list_tar(io.BytesIO(tar_of(*members)), name="x.tar"))


def labels_of(*members):
    return {track.track_id: (track.genre, track.artist, track.split) for track in tracks_of(*members)}


def test_bytes_names_and_times():
    data = tar_of(("./a/song.1.MP3", b"one"), ("a/./b.flac", b"other"), ("cover.jpg", b"x"), ("wav", b"x"))
    one, other = list_tar(io.BytesIO(data), name="x.tar")
    assert (one.track_id, one.modified_ms, one.problem) == ("a/song.1.MP3", 7000, None)
    assert (other.track_id, other.size_bytes) == ("a/b.flac", 5)
    assert data[one.offset : one.offset + one.size_bytes] == b"one"
    assert data[other.offset : other.offset + other.size_bytes] == b"other"


def test_labels_stand_in_neighbours_of_the_same_key_whether_before_or_behind():
    meta = json.dumps({"genre": " jazz ", "artist": "Ann", "split": "test", "tempo": 99.5}).encode()
    assert labels_of(
        ("a/1.json", meta),
        ("a/1.mp3", b"x"),
        ("b/1.mp3", b"x"),  # the same name in another folder
        ("b/1.cls", b"rock\n"),
        ("b/1.txt", b"pop"),
        ("2.mp3", b"x"),
        ("3.CLS", b"17"),
        ("3.wav", b"x"),
        ("3.vocals.wav", b"x"),
    ) == {
        "a/1.mp3": ("jazz", "Ann", "test"),
        "b/1.mp3": ("rock", None, None),
        "2.mp3": (None, None, None),
        "3.wav": ("17", None, None),
        "3.vocals.wav": ("17", None, None),
    }


def test_a_name_in_json_goes_before_a_class_number():
    for order in (1, -1):
        sidecars = [("1.cls", b"4"), ("1.json", b'{"label": "folk"}')][::order]
        assert labels_of(*sidecars, ("1.mp3", b"x")) == {"1.mp3": ("folk", None, None)}


def test_keys_end_at_the_first_dot_so_that_numbered_names_take_no_labels_from_each_other():
    found = labels_of(("vol.1.mp3", b"x"), ("vol.1.json", b'{"genre": "a"}'), ("vol.2.mp3", b"x"))
    assert found == {"vol.1.mp3": (None, None, None), "vol.2.mp3": (None, None, None)}


@pytest.mark.parametrize(
    ("document", "genre"),
    [
        ('{"genre": "a", "label": "b"}', "a"),
        ('{"genre": null, "label": 3}', "3"),
        ('{"genre": "", "label": "b"}', "b"),
        ('{"genre": ["a"]}', None),
        ('{"genre": {"name": "a"}}', None),
        ('{"genre": true}', None),
        ('{"genre": 1.5}', None),
        ('{"genre": NaN}', None),
        ('{"genre": "a\\nb"}', None),
        ('{"genre": "\\ud800"}', None),
        (json.dumps({"genre": "a" * 1001}), None),
        ('["genre"]', None),
        ("{", None),
        ("\x00", None),
        ("[" * 100_000, None),
    ],
)
def test_what_json_may_say(document, genre):
    assert labels_of(("1.mp3", b"x"), ("1.json", document.encode())) == {"1.mp3": (genre, None, None)}


@pytest.mark.parametrize(
    ("content", "genre"),
    [(b"\xef\xbb\xbfHip Hop\r\n", "Hip Hop"), (b"-1", "-1"), (b" \n", None), (b"\xff\xfe", None)],
)
def test_what_a_class_may_be(content, genre):
    assert labels_of(("1.mp3", b"x"), ("1.cls", content)) == {"1.mp3": (genre, None, None)}


def test_a_sidecar_that_is_too_large_is_not_read():
    document = b'{"genre": "a"}'
    fits, too_large = document.ljust(1_000_000), document.ljust(1_000_001)
    assert labels_of(("1.mp3", b"x"), ("1.json", fits))["1.mp3"][0] == "a"
    assert labels_of(("1.mp3", b"x"), ("1.json", too_large))["1.mp3"][0] is None


def test_hidden_members_folders_and_pipes_are_no_tracks():
    assert not tracks_of(
        (".hidden.mp3", b"x"),
        ("a/_hidden.mp3", b"x"),
        ("a/._1.mp3", b"x"),  # what a Mac puts beside each file
        (".git/1.mp3", b"x"),
        ("folder.mp3", "", tarfile.DIRTYPE),
        ("pipe.mp3", "", tarfile.FIFOTYPE),
    )


def test_links_and_names_that_lead_out_are_told():
    found = tracks_of(
        ("a.mp3", b"x"),
        ("soft.mp3", "a.mp3", tarfile.SYMTYPE),
        ("hard.mp3", "a.mp3", tarfile.LNKTYPE),
        ("/root.mp3", b"x"),
        ("../up.mp3", b"x"),
        ("a/../b.mp3", b"x"),
        ("a..b.mp3", b"x"),
        ("a/../a.json", b'{"genre": "of elsewhere"}'),
    )
    out, link = "its name leads out of the tar", "no file but a link within the tar"
    assert {track.track_id: track.problem for track in found} == {
        **{"a.mp3": None, "soft.mp3": link, "hard.mp3": link, "a..b.mp3": None},
        **{"/root.mp3": out, "../up.mp3": out, "b.mp3": out},
    }
    assert {track.genre for track in found} == {None}


def test_sparse_tracks_are_told(tmp_path):
    with (tmp_path / "a.wav").open("wb") as file:
        file.truncate(1 << 20)
        file.write(b"RIFF")
    subprocess.run(["tar", "-cSf", tmp_path / "x.tar", "-C", tmp_path, "a.wav"], check=True)
    with (tmp_path / "x.tar").open("rb") as file:
        (track,) = list_tar(file, name="x.tar")
    assert (track.track_id, track.problem) == ("a.wav", "a sparse file, of which the tar holds parts")


class CountingFile(io.BytesIO):
    """How many bytes were read."""

    n_bytes = 0

    def read(self, size=-1):
        data = super().read(size)
        self.n_bytes += len(data)
        return data


def test_no_audio_is_read():
    file = CountingFile(tar_of(*((f"{i}.mp3", bytes(100_000)) for i in range(20))))
    assert sum(1 for _ in list_tar(file, name="x.tar")) == 20
    assert file.n_bytes <= 512 * 23


def test_tracks_come_as_they_are_found_even_where_all_have_one_key():
    file = CountingFile(tar_of(*((f"vol.{i}.mp3", b"x") for i in range(300))))
    next(list_tar(file, name="x.tar"))
    assert file.n_bytes < 512 * 110
    assert sum(1 for _ in list_tar(file, name="x.tar")) == 300


def test_a_damaged_tar_gives_what_was_whole_and_then_an_error():
    data = tar_of(("a.mp3", b"x"), ("b.mp3", b"x"), ("c.mp3", bytes(1000)))[:2600]
    found = list_tar(io.BytesIO(data), name="shards/0.tar")
    assert next(found).track_id == "a.mp3"
    with pytest.raises(InputError, match=r"^shards/0\.tar is cut off .*'c\.mp3'.*; members read before: 2$"):
        list(found)
