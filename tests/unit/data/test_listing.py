"""Folders as people have them, and as nobody should."""

import os
import pathlib
import socket
import subprocess
import sys

import pytest

from deepsound.data.listing import LeftOut, walk_folder


def look(root):
    """The inputs of a folder, by name, and what was left out."""
    left_out = LeftOut()
    return sorted(walk_folder(str(root), left_out=left_out), key=lambda file: file.track_id), left_out


def names_and_problems(root):
    return {file.track_id: file.problem for file in look(root)[0]}


def put(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_audio_by_name_in_all_folders_with_size_and_time(tmp_path):
    put(tmp_path / "b" / "two.MP3", b"12345")
    put(tmp_path / "a" / "deep" / "one.flac")
    for name in ("cover.jpg", "wav", "_hidden.wav", ".hidden.wav", "_folder/x.wav", ".folder/x.wav"):
        put(tmp_path / name)
    os.utime(tmp_path / "b" / "two.MP3", ns=(0, 1_234_567_891_234_567))
    one, two = look(tmp_path)[0]
    assert (one.track_id, two.track_id) == ("a/deep/one.flac", "b/two.MP3")
    assert (two.size_bytes, two.modified_ms, two.problem) == (5, 1_234_567_891, None)
    assert os.fsdecode(two.native) == str(tmp_path / "b" / "two.MP3")


def test_loops_of_links_end_and_every_file_is_there_once(tmp_path):
    put(tmp_path / "real" / "x.wav")
    (tmp_path / "real" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "real" / "self").symlink_to("self")
    (tmp_path / "alias").symlink_to(tmp_path / "real", target_is_directory=True)
    put(tmp_path / "elsewhere" / "_store" / "y.wav")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "_store", target_is_directory=True)
    (tmp_path / "file.wav").symlink_to(tmp_path / "real" / "x.wav")
    assert names_and_problems(tmp_path) == {"real/x.wav": None, "link/y.wav": None, "file.wav": None}


def test_what_is_no_file_is_listed_with_its_problem(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "broken.wav").symlink_to(tmp_path / "nowhere.wav")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    (tmp_path / "zero.wav").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "s.wav"))
        found = names_and_problems(tmp_path)
    assert found["pipe.wav"] == "no file but a pipe"
    assert found["s.wav"] == "no file but a socket"
    assert found["zero.wav"] == "no file but a device"
    assert found["broken.wav"].startswith("a link that leads nowhere")
    assert found["loop.wav"].startswith("a link that leads nowhere")


def test_names_of_every_kind(tmp_path):
    names = ["ünïcödé ♫.wav", "a\nb.wav", 'it\'s "it".wav', "-rf.wav", "x" * 240 + ".wav"]
    for name in names:
        put(tmp_path / name)
    raw = os.fsencode(tmp_path) + b"/latin-\xe9.wav"
    with pathlib.Path(os.fsdecode(raw)).open("wb"):
        pass
    files = {file.track_id: file.native for file in look(tmp_path)[0]}
    assert set(files) == {*names, "latin-\\xe9.wav"}
    assert files["latin-\\xe9.wav"] == raw


_LIST = """
import sys
from deepsound.data.listing import LeftOut, walk_folder
for file in sorted(walk_folder(sys.argv[1], left_out=LeftOut()), key=lambda file: file.track_id):
    print(file.track_id, "|", file.problem)
"""


def test_a_folder_that_may_not_be_entered_is_seen(tmp_path):
    put(tmp_path / "open" / "x.wav")
    put(tmp_path / "closed" / "y.wav")
    (tmp_path / "closed").chmod(0)
    command = [sys.executable, "-c", _LIST, str(tmp_path)]
    if os.geteuid() == 0:
        # The superuser enters everywhere, unless it gives these rights away.
        rights = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        (tmp_path / "closed").chmod(0o755)
    assert done.stdout.splitlines() == [
        "closed | the folder cannot be listed: Permission denied",
        "open/x.wav | None",
    ]


def test_a_root_that_cannot_be_listed_is_an_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        look(tmp_path / "none")


def test_what_is_left_out_is_counted_by_ending_and_named(tmp_path):
    put(tmp_path / "rock" / "song.wav")
    for name in ("a.jpg", "rock/b.JPG", "labels.csv", "README", "rock/Vol. 1 - Live", "x.m3u8"):
        put(tmp_path / name)
    for name in (
        ".!first",
        ".DS_Store",
        "...And Justice for All/01.flac",
        ".38 Special/a/b/1.mp3",
        "_intro.wav",
        "rock/.x/y",
    ):
        put(tmp_path / name)
    (tmp_path / ".self").symlink_to(tmp_path, target_is_directory=True)
    files, left_out = look(tmp_path)
    assert [file.track_id for file in files] == ["rock/song.wav"]
    counts = {".jpg": 2, "without an ending": 2, ".csv": 1, ".m3u8": 1, "hidden": 7}
    assert left_out.counts() == counts
    assert list(left_out.counts()) == ["without an ending", ".jpg", ".csv", ".m3u8", "hidden"]
    assert left_out.describe() == (
        "13 files left out: 2 without an ending, 2 .jpg, 1 .csv, 1 .m3u8, 7 hidden (e.g. '_intro.wav', 'README')"
    )


def test_a_few_endings_are_told_and_nothing_where_nothing_was_left_out(tmp_path):
    put(tmp_path / "song.wav")
    assert look(tmp_path)[1].counts() == {}
    assert LeftOut().describe() is None
    many = LeftOut(f"a/x.e{i}" for i in range(8) for _ in range(9 - i))
    assert many.describe() == "44 files left out: 9 .e0, 8 .e1, 7 .e2, 6 .e3, 5 .e4, 9 others (e.g. 'a/x.e0')"


def test_what_a_link_leads_to_in_a_hidden_folder_is_not_left_out(tmp_path):
    put(tmp_path / "_store" / "y.wav")
    put(tmp_path / "_store" / "_deeper" / "z.wav")
    (tmp_path / "link").symlink_to(tmp_path / "_store", target_is_directory=True)
    files, left_out = look(tmp_path)
    assert [file.track_id for file in files] == ["link/y.wav"]
    assert left_out.describe() == "1 files left out: 1 hidden (e.g. 'link/_deeper/z.wav')"


def test_two_hundred_folders_deep(tmp_path):
    deep = "/".join(f"folder {i:03d}" for i in range(200))
    put(tmp_path / deep / "x.wav")
    put(tmp_path / ".hidden" / deep / "y.wav")
    files, left_out = look(tmp_path)
    assert [(file.track_id, file.problem) for file in files] == [(f"{deep}/x.wav", None)]
    assert left_out.n_hidden == 1
