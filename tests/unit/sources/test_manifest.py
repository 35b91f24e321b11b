"""Columns of manifests as tools write them, and one file by all the ways of writing its path."""

import os
import pathlib

import pytest

from deepsound.errors import InputError
from deepsound.sources.manifest import find_manifest_columns, native_path, resolve


@pytest.mark.parametrize(
    ("names", "path", "genre"),
    [
        (["path", "label"], "path", "label"),
        (["audio_filepath", "duration", "text"], "audio_filepath", None),
        ([" File_Name ", "Label", "GENRE"], " File_Name ", "GENRE"),
        (["audio", "filepath", "filename", "file_name", "uri", "path"], "path", None),
        (["\ufeffURI", "genre"], "\ufeffURI", "genre"),
        (["audio"], "audio", None),
    ],
)
def test_columns_are_found_and_named_as_they_stand_there(names, path, genre):
    found = find_manifest_columns(names, where="m.csv")
    assert (found.path, found.genre) == (path, genre)


def test_all_columns():
    found = find_manifest_columns(["Split", "x", "modified_ms", "SIZE_BYTES", "artist ", "path"], where="m.csv")
    assert (found.split, found.modified_ms, found.size_bytes) == ("Split", "modified_ms", "SIZE_BYTES")
    assert (found.artist, found.genre) == ("artist ", None)


@pytest.mark.parametrize("names", [["x", "Genre"], []])
def test_a_manifest_without_paths_names_what_it_has_and_what_is_wanted(names):
    told = "'x', 'Genre'" if names else "none"
    with pytest.raises(InputError, match=rf"^m\.csv has no column of paths \(audio_filepath, path, .*: {told}$"):
        find_manifest_columns(names, where="m.csv")


@pytest.mark.parametrize("names", [["path", "Path "], ["path", "genre", "GENRE"], ["path", "split", "split"]])
def test_a_column_stands_there_once(names):
    with pytest.raises(InputError, match=rf"^m\.csv has the column {names[-1].strip().lower()} twice$"):
        find_manifest_columns(names, where="m.csv")


def test_columns_that_are_not_read_may_stand_there_twice():
    found = find_manifest_columns(["path", "x", "x", "audio", "audio", "label", "label", "genre"], where="m.csv")
    assert (found.path, found.genre) == ("path", "genre")


SPELLINGS = [
    "a b/x.mp3",
    "./a b//x.mp3",
    "y/../a b/x.mp3",
    "../music/a b/x.mp3",
    "../../../../srv/music/a b/x.mp3",
    "/srv/music/a b/x.mp3",
    "//srv//music/./a b/x.mp3",
    "file:/srv/music/a b/x.mp3",
    "file:///srv/music/a b/x.mp3",
    "FILE://localhost/srv/other/../music/a b/x.mp3",
]


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize(
    "folder", ["file:/srv/music", "file:///srv/music/", "/srv/music", "file:/srv/./x/../music"]
)
def test_one_file_is_one_track(path, folder):
    assert resolve(path, folder=folder) == ("a b/x.mp3", "file:/srv/music/a b/x.mp3")


@pytest.mark.parametrize(
    "path", ["a/x.mp3", "../b/c.mp3", "./a//../y", "/etc/x", "../../../../../x", "//x", "a/./"]
)
@pytest.mark.parametrize("folder", ["/", "/srv", "/srv/music"])
def test_local_paths_are_what_the_system_makes_of_them(path, folder):
    track_id, uri = resolve(path, folder=f"file:{folder}")
    full = os.path.abspath(pathlib.PurePath(folder, path)).replace("//", "/")  # noqa: PTH100 - which resolves no '..'
    assert uri == f"file:{full}"
    assert native_path(uri) == os.fsencode(full)
    below = pathlib.PurePath(full)
    assert track_id == str(below.relative_to(folder if below.is_relative_to(folder) else "/"))


@pytest.mark.parametrize(
    ("path", "folder", "track_id", "uri"),
    [
        ("a/x.mp3", "s3a://bucket/music", "a/x.mp3", "s3a://bucket/music/a/x.mp3"),
        ("../x.mp3", "s3a://bucket/music", "s3a://bucket/x.mp3", "s3a://bucket/x.mp3"),
        ("../../x.mp3", "s3a://bucket", "x.mp3", "s3a://bucket/x.mp3"),
        ("/music/x.mp3", "s3a://bucket/music/", "x.mp3", "s3a://bucket/music/x.mp3"),
        ("s3a://bucket/music/x.mp3", "s3a://bucket/music", "x.mp3", "s3a://bucket/music/x.mp3"),
        ("s3a://bucket/musical/x.mp3", "s3a://bucket/music", "s3a://bucket/musical/x.mp3", None),
        ("s3a://other/music/x.mp3", "s3a://bucket/music", "s3a://other/music/x.mp3", None),
        ("https://host/a/../x.mp3?a=//b", "s3a://bucket/music", "https://host/a/../x.mp3?a=//b", None),
        ("s3a://bucket/x.mp3", "file:/music", "s3a://bucket/x.mp3", None),
        ("file:///music//x.mp3", "s3a://bucket/music", "music/x.mp3", "file:/music/x.mp3"),
        ("hdfs://h:8020/m/x.mp3", "hdfs://h:8020/m", "x.mp3", "hdfs://h:8020/m/x.mp3"),
        ("hdfs:///m/x.mp3", "hdfs:/m", "x.mp3", "hdfs:/m/x.mp3"),
        ("x.mp3", "dbfs:/m", "x.mp3", "dbfs:/m/x.mp3"),
    ],
)
def test_files_of_other_file_systems(path, folder, track_id, uri):
    assert resolve(path, folder=folder) == (track_id, uri or path)


@pytest.mark.parametrize(
    "name", ["Artist: Song.mp3", "a\\b.mp3", "C:\\x.mp3", "100%20.mp3", "c:/x", "a\nb", "-.mp3"]
)
def test_names_are_taken_literally(name):
    assert resolve(name, folder="file:/m") == (name, f"file:/m/{name}")
    assert native_path(f"file:/m/{name}") == f"/m/{name}".encode()


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:/ü %41.mp3", "/ü %41.mp3".encode()),
        ("file:///x", b"/x"),
        ("s3a://bucket/x", None),
        ("/x", None),
        ("file:x", None),
    ],
)
def test_only_local_uris_have_a_path_of_the_system(uri, path):
    assert native_path(uri) == path
