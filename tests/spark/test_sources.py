"""Four kinds of sources over the same music: one set of rows, whatever it came from."""

import dataclasses
import json
import shutil
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsound.config import ExtractSettings, LabelSettings
from deepsound.errors import InputError
from deepsound.spark.extract import extract

SETTINGS = ExtractSettings(segment_s=1.0, labels=LabelSettings(source="source"), max_failure_fraction=1.0)
GENRES = ("high", "low", "noise")
# What differs with the place and the time of a file.
PLACES = ("path", "modified_ms")


@pytest.fixture(scope="module")
def files(music):
    """track_id to content of a few tracks, and of one that is none."""
    names = [(genre, i) for genre in GENRES for i in range(2)]
    content = {f"{g}/{g}-{i}.wav": (music / g / f"{g}.0000{i}.wav").read_bytes() for g, i in names}
    return {**content, "low/text.wav": b"no music"}


@pytest.fixture(scope="module")
def folder(files, tmp_path_factory):
    root = tmp_path_factory.mktemp("source") / "müsic [1] #2"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def run(spark, tmp_path):
    """A function that extracts a source, and gives both tables by key without what tells of a place, and lines."""

    def run_once(source, settings=SETTINGS, output="f", **policy):
        lines = []
        places = (str(source), str(tmp_path / output))
        result = extract(spark, *places, settings=settings, report=lines.append, **policy)
        tracks, segments = (pq.read_table(tmp_path / output / name).to_pylist() for name in ("tracks", "segments"))
        rows = {row["track_id"]: {k: v for k, v in row.items() if k not in PLACES} for row in tracks}
        return rows, sorted(segments, key=lambda r: (r["track_id"], r["segment_index"])), result, "\n".join(lines)

    return run_once


@pytest.fixture
def expected(run, folder):
    rows, segments, _, _ = run(folder, ExtractSettings(segment_s=1.0, max_failure_fraction=1.0), "expected")
    assert (len(rows), len(segments)) == (7, 12)
    return rows, segments


def write_table(path, files, *, classes=GENRES, **columns):
    """As Hugging Face's datasets writes a table of audio with a ClassLabel."""
    rows = [{"bytes": content, "path": name} for name, content in files.items()]
    audio = pa.array(rows, pa.struct({"bytes": "binary", "path": "string"}))
    labels = pa.array([classes.index(name.split("/")[0]) for name in files], pa.int64())
    features = {"audio": {"_type": "Audio"}, "label": {"names": list(classes), "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"audio": audio, "label": labels, **columns}).replace_schema_metadata(metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=3)


def test_a_manifest(run, folder, files, expected, tmp_path):
    lines = ["audio_filepath,Label"]
    for number, name in enumerate(files):
        path = (name, str(folder / name), (folder / name).as_uri().replace("file:///", "file:/"))[number % 3]
        path = path if number % 3 != 2 else f"file:{folder / name}"
        lines.append(f"{path},{name.split('/')[0]}")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join([*lines, lines[1], ""]))
    rows, segments, result, said = run(manifest)
    assert (rows, segments) == expected
    assert "7 files" in said
    assert "nothing to do" in run(manifest)[3]
    # New labels touch no segment.
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "f" / "segments").iterdir()}
    manifest.write_text("\n".join([*lines[:3], lines[3].replace(",low", ",LOW"), *lines[4:]]))
    rows, _, result, _ = run(manifest)
    assert (result.n_extracted, rows["low/low-0.wav"]["genre"]) == (0, "LOW")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "f" / "segments").iterdir()} == before
    manifest.unlink()


def test_a_folder_with_the_metadata_of_audiofolder(run, folder, files, expected):
    lines = ["file_name,genre,split", *(f"{name},{name.split('/')[0]},dev" for name in files)]
    (folder / "metadata.csv").write_text("\n".join(lines))
    try:
        rows, segments, _, said = run(folder)
        assert {row.pop("split") for row in rows.values()} == {"validation"}
        assert rows == {name: {k: v for k, v in row.items() if k != "split"} for name, row in expected[0].items()}
        assert (segments, "1 files left out: 1 .csv" in said) == (expected[1], True)
    finally:
        (folder / "metadata.csv").unlink()


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_manifests_of_other_kinds(run, folder, files, expected, kind):
    rows = [{"path": name, "genre": name.split("/")[0], "year": 1999} for name in files]
    manifest = folder / f"list.{kind}"
    if kind == "jsonl":
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), manifest)
    try:
        assert run(manifest)[:2] == expected
    finally:
        manifest.unlink()


def test_what_a_manifest_names_and_is_not_there_is_a_failed_row(run, folder, tmp_path):
    manifest = tmp_path / "list.csv"
    manifest.write_text(f"path\n{folder}/high/high-0.wav\nnowhere.wav\n{folder}\n")
    rows, segments, _, _ = run(manifest)
    assert len(segments) == 2
    failed = {name: row["error_detail"] for name, row in rows.items() if row["error_code"] == "unreadable"}
    assert failed == {
        "nowhere.wav": "it cannot be looked at: No such file or directory",
        str(folder).lstrip("/"): "no file",
    }


def test_uris_that_hadoop_does_not_know_are_opened_by_the_workers(run, folder, tmp_path):
    """Through fsspec, of whose file systems that of this machine goes by 'local', too."""
    manifest = tmp_path / "list.csv"
    uris = {name: f"local://{folder}/{name}" for name in ("high/high-0.wav", "low/text.wav", "gone.wav")}
    manifest.write_text("\n".join(["uri", *uris.values(), "nothing://host/x.wav", ""]))
    rows, segments, _, _ = run(manifest)
    assert {segment["track_id"] for segment in segments} == {uris["high/high-0.wav"]}
    assert rows[uris["high/high-0.wav"]]["size_bytes"] == (folder / "high" / "high-0.wav").stat().st_size
    assert rows[uris["low/text.wav"]]["error_code"] == "unsupported_format"
    assert "No such file" in rows[uris["gone.wav"]]["error_detail"]
    assert "Protocol not known: nothing" in rows["nothing://host/x.wav"]["error_detail"]
    assert "nothing to do" in run(manifest)[3]
    small = dataclasses.replace(SETTINGS, max_bytes=1000)
    assert run(manifest, small, "small")[0][uris["high/high-0.wav"]]["error_code"] == "too_large"


def test_a_table_of_audio(run, files, expected, tmp_path):
    names = list(files)
    root = tmp_path / "hub [x] #1"
    for number, part in enumerate((names[:4], names[4:])):
        write_table(root / "data" / f"train-0000{number}-of-00002.parquet", {name: files[name] for name in part})
    (root / "README.md").write_text("---")
    rows, segments, result, _ = run(root)
    assert {row.pop("split") for row in rows.values()} == {"train"}
    plain = {name: {k: v for k, v in row.items() if k != "split"} for name, row in expected[0].items()}
    by_folder = dataclasses.replace(SETTINGS, labels=LabelSettings(source="none"))
    assert "7 of 7 tracks have a genre of their own" in run(root, by_folder, "unlabelled")[3]
    assert (rows, segments) == (plain, expected[1])
    assert "nothing to do" in run(root)[3]
    # One file of it is written anew, with one other row.
    changed = {**{name: files[name] for name in names[4:]}, names[-1]: files[names[0]]}
    write_table(root / "data" / "train-00001-of-00002.parquet", changed)
    rows, _, result, said = run(root)
    assert (result.n_extracted, rows["low/text.wav"]["status"]) == (1, "ok")
    assert "1 changed, 2 with new labels or a new time only" in said


def test_a_single_table_of_bytes_without_names(run, files, tmp_path):
    audio = [{"bytes": content, "path": None} for content in files.values()] + [{"bytes": None, "path": "x.wav"}]
    table = pa.table({"clip": pa.array(audio, pa.struct({"bytes": "binary", "path": "string"}))})
    pq.write_table(table, tmp_path / "test.parquet")
    rows, segments, _, _ = run(tmp_path / "test.parquet")
    assert set(rows) == {*(f"test/{i}" for i in range(7)), "x.wav"}
    assert (len(segments), {row["split"] for row in rows.values()}) == (12, {"test"})
    assert rows["x.wav"]["error_detail"] == "the table holds no bytes of it"


def test_tar_shards(run, folder, files, expected, tmp_path):
    root = tmp_path / "shards"
    root.mkdir()
    for shard in range(2):
        with tarfile.open(root / f"music-{shard}.tar", "w") as tar:
            for name in list(files)[shard::2]:
                tar.add(folder / name, arcname=name)
                label = tmp_path / "label"
                label.write_text(name.split("/")[0])
                tar.add(label, arcname=name.replace(".wav", ".cls"))
    rows, segments, _, _ = run(root)
    assert (rows, segments) == expected
    assert "nothing to do" in run(root)[3]
    # The tar that is cut off keeps what can be read of it, and one row says so.
    whole = (root / "music-1.tar").read_bytes()
    (root / "music-1.tar").write_bytes(whole[: len(whole) // 2])
    rows, _, result, _ = run(root, output="cut")
    assert rows["music-1.tar"]["error_code"] == "unreadable"
    assert 0 < result.n_ok < 6


def test_names_that_stand_there_twice_are_refused(run, files, tmp_path):
    write_table(tmp_path / "t" / "train.parquet", files)
    shutil.copy(tmp_path / "t" / "train.parquet", tmp_path / "t" / "test.parquet")
    with pytest.raises(InputError, match=r"names 2 tracks 'high/high-0.wav', such as .*test.*, and|and "):
        run(tmp_path / "t")
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"name,genre\nx,y\n", "has no column of paths"),
        ("a.txt", b"x", "is a file; wanted a folder"),
        ("a.parquet", b"PAR1 no", "cannot read .*a.parquet"),
    ],
)
def test_bad_sources(run, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        run(tmp_path / name)


def test_a_table_on_a_file_system_that_is_not_mounted(spark, run, files, expected, tmp_path):
    write_table(tmp_path / "hub" / "train.parquet", files)
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    conf.set("fs.viewfs.mounttable.table.link./here", tmp_path.as_uri())
    rows, segments, _, _ = run("viewfs://table/here/hub")
    assert segments == expected[1]
    assert rows["high/high-0.wav"]["genre"] == "high"
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(tmp_path / "hub", arcname="hub")
    (tmp_path / "tars").mkdir()
    shutil.move(tmp_path / "x.tar", tmp_path / "tars" / "x.tar")
    with pytest.raises(InputError, match="mounted where the workers run"):
        run("viewfs://table/here/tars", output="g")
