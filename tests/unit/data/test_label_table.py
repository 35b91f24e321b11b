"""A label CSV finds its tracks however their paths are written, and says what it did not find."""

import unicodedata

import pytest

from deepsound.data.label_table import LabelReader, canonical_name
from deepsound.data.labels import LABEL_NAMES
from deepsound.errors import LabelError

TRACKS = ("blues/a b.wav", "jazz/c.wav")
ROOT = "file:/music/in"


def read(text, *, tracks=TRACKS, folder=ROOT, roots=(ROOT,)):
    """Labels by track, and the rows that are none: what the job's joins must come to, found one by one here."""
    folders = list(dict.fromkeys((folder, roots[0])))
    rows = list(LabelReader(text.splitlines(keepends=True), where="t.csv", folders=folders, roots=roots).rows())
    best: list = []
    for reading in range(len(folders)):
        found = [(row, find(row.names[reading], tracks)) for row in rows]
        if not best or sum(track is not None for _, track in found) > sum(track is not None for _, track in best):
            best = found
    return {track: row for row, track in best if track}, [row.path for row, track in best if track is None]


def find(names, tracks):
    exact = [name for name in names if name in tracks]
    others = [track for name in names for track in tracks if canonical_name(track) == canonical_name(name)]
    return (exact + others + [None])[0]


def genres(found):
    return {track_id: row.genre for track_id, row in found[0].items()}


@pytest.mark.parametrize(
    "path",
    [
        "blues/a b.wav",
        "./blues/../blues/a b.wav",
        "blues\\a b.wav",
        "  blues/a b.wav  ",
        "/music/in/blues/a b.wav",
        "/music/other/../in/blues/a b.wav",
        "file:/music/in/blues/a b.wav",
        "file:///music/in/blues/a%20b.wav",
        "FILE://localhost/music/in/blues/a%20b.wav",
    ],
)
@pytest.mark.parametrize("folder", [ROOT, "file:/music/tables", "file:/", "hdfs://host:1/music"])
def test_one_track_by_many_paths(path, folder):
    if not path.strip().startswith(("/", "file:", "FILE:")) and folder != ROOT:
        path = path.strip()  # relative to the input
    assert genres(read(f"path,genre\n{path},x\n", folder=folder)) == {"blues/a b.wav": "x"}


@pytest.mark.parametrize(
    ("root", "path"),
    [
        ("hdfs://host:8020/music", "hdfs://host:8020/music/x.wav"),
        ("hdfs://host:8020/music", "hdfs:///music/x.wav"),
        ("hdfs://host:8020/music", "/music/x.wav"),
        ("s3a://bucket/music", "s3://bucket/music/x.wav"),
        ("file:", "/x.wav"),
        ("file:/a %20 [1]", "/a %20 [1]/x.wav"),
        ("file:/a %20 [1]", "file:/a %20 [1]/x.wav"),
    ],
)
def test_full_paths_on_other_file_systems(root, path):
    assert genres(read(f"path,genre\n{path},g\n", tracks=["x.wav"], folder="file:/tables", roots=(root,))) == {
        "x.wav": "g"
    }


@pytest.mark.parametrize("path", ["s3://other/music/x.wav", "hdfs://bucket/music/x.wav", "/elsewhere/x.wav"])
def test_paths_elsewhere_are_no_tracks(path):
    found = read(f"path,genre\n{path},g\n", tracks=["x.wav"], folder="file:/t", roots=("s3a://bucket/music",))
    assert found == ({}, [path])


def test_an_input_that_is_known_by_several_paths():
    roots = ("file:/link", "file:/data/real")
    text = "path,genre\n/data/real/jazz/c.wav,real\n/link/blues/a b.wav,link\n"
    assert genres(read(text, roots=roots)) == {"jazz/c.wav": "real", "blues/a b.wav": "link"}


@pytest.mark.parametrize("of_files", ["NFC", "NFD"])
@pytest.mark.parametrize("of_table", ["NFC", "NFD"])
def test_accents_in_either_normal_form(of_files, of_table):
    track, root = (unicodedata.normalize(of_files, text) for text in ("Música/ñ.wav", "file:/Müsik"))
    table = unicodedata.normalize(of_table, "path,genre\nMúsica/ñ.wav,a\n/Müsik/Música/ñ.wav,a\n")
    found = read(table, tracks=[track, "b.wav"], roots=(root,))
    assert (genres(found), found[1]) == ({track: "a"}, [])


def test_a_name_to_the_letter_comes_first():
    names = ["a\\b.wav", "a/b.wav", *(unicodedata.normalize(form, "é.wav") for form in ("NFC", "NFD"))]
    text = "path,genre\n" + "".join(f"{name},{i}\n" for i, name in enumerate(names))
    assert genres(read(text, tracks=names)) == {name: str(i) for i, name in enumerate(names)}


def test_paths_are_relative_to_the_csv_or_to_the_input_whichever_names_more():
    tracks = ["sub/a.wav", "sub/b.wav", "a.wav"]
    of_folder = read("path,genre\na.wav,x\nb.wav,y\n", tracks=tracks, folder=f"{ROOT}/sub")
    assert genres(of_folder) == {"sub/a.wav": "x", "sub/b.wav": "y"}
    of_root = read("path,genre\na.wav,x\nsub/b.wav,y\n", tracks=tracks, folder=f"{ROOT}/sub")
    assert genres(of_root) == {"a.wav": "x", "sub/b.wav": "y"}
    above = read("path,genre\nin/a.wav,x\n../music/in/sub/b.wav,y\n", tracks=tracks, folder="file:/music")
    assert genres(above) == {"a.wav": "x", "sub/b.wav": "y"}
    assert genres(read("path,genre\na.wav,x\n", tracks=["sub/a.wav", "a.wav"], folder=f"{ROOT}/sub")) == {
        "sub/a.wav": "x"
    }


@pytest.mark.parametrize(
    "header", ["path, genre,artist,split", "\ufeffPath ,GENRE, Artist,Split", "path,genre,artist,split"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_headers_of_any_case_spacing_and_line_end(header, end):
    text = end.join([header, "", 'jazz/c.wav, "a, b",me ,train', ",,,", ""])
    found, others = read(text)
    assert [getattr(found["jazz/c.wav"], name) for name in LABEL_NAMES] == ["a, b", "me", "train"]
    assert (len(found), others) == (1, [])
    assert genres(read(f"{end}path,genre{end}jazz/c.wav,a{end}")) == {"jazz/c.wav": "a"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,genre\n1,a\n", "columns 'file', 'genre'; wanted path and any of genre, artist, split"),
        ("path,label\n1,a\n", "columns 'path', 'label'; wanted path and any of genre"),
        ("path;genre\n1;a\n", "columns 'path;genre'; wanted"),
        ("", "columns none; wanted"),
        ("path,genre, Genre\n1,a,b\n", "the column genre twice"),
        ('path,genre\n"Heroes".wav,a\n', r"is no CSV: .* \(line 2\)"),
        ('path,genre\n1,"a\n2,b\n', r"is no CSV: unexpected end of data"),
    ],
)
def test_bad_tables(text, message):
    with pytest.raises(LabelError, match=message):
        read(text)
