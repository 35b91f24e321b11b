"""labels.from=tags: labels from the files, kept with them, and exchanged for others on a rerun."""

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
import soundfile
from mutagen.flac import FLAC
from mutagen.id3 import ID3, TCON, TPE1, TPE2

from deepsound.config import ExtractSettings, LabelSettings
from deepsound.spark import extract_job
from deepsound.spark.extract import extract
from deepsound.spark.stretches import Scratch
from tests.spark.deaths import outlives

TAGS = ExtractSettings(segment_s=1.0, max_failure_fraction=1.0, labels=LabelSettings(source="tags"))
FOLDERS = replace(TAGS, labels=LabelSettings())
EXPECTED = {
    "high/a.mp3": ("Rock; Pop", "Me"),
    "high/b.flac": ("Jazz", "You; They"),
    "low/c.wav": (None, None),
    "low/broken.mp3": ("Techno", "Various"),
    "low/empty.mp3": (None, None),
}


@pytest.fixture
def collection(clip, tmp_path):
    """Two tagged tracks, one without, one whose tags are all that is left of it, one with nothing at all."""
    root = tmp_path / "music"
    for folder in ("high", "low"):
        (root / folder).mkdir(parents=True)
    soundfile.write(root / "high" / "a.mp3", clip("high", 0, duration_s=1.0), 22050)
    soundfile.write(root / "high" / "b.flac", clip("high", 1, duration_s=1.0), 22050)
    soundfile.write(root / "low" / "c.wav", clip("low", 2, duration_s=1.0), 22050)
    (root / "low" / "broken.mp3").write_bytes(b"no music" * 100)
    (root / "low" / "empty.mp3").write_bytes(b"")
    tag_mp3(root / "high" / "a.mp3", TCON(encoding=3, text=["(17)", "Pop"]), TPE1(encoding=1, text="Me"))
    tag_mp3(root / "low" / "broken.mp3", TCON(encoding=3, text="Techno"), TPE2(encoding=3, text="Various"))
    audio = FLAC(root / "high" / "b.flac")
    audio["genre"], audio["artist"] = "Jazz", ["You", "They"]
    audio.save()
    return root


def tag_mp3(path, *frames):
    tags = ID3()
    for frame in frames:
        tags.add(frame)
    tags.save(path)


@pytest.fixture
def run(spark, collection):
    """A function that extracts the collection and gives the number of files extracted and what was said."""

    def run_once(output, settings=TAGS):
        lines = []
        result = extract(spark, str(collection), str(output), settings=settings, report=lines.append)
        return result.n_extracted, "\n".join(lines)

    return run_once


def labels_of(output):
    rows = pq.read_table(output / "tracks").to_pylist()
    return {row["track_id"]: (row["genre"], row["artist"]) for row in rows}


def folder_labels():
    return {track_id: (track_id.partition("/")[0], None) for track_id in EXPECTED}


def test_labels_from_tags_stay_with_their_content(run, collection, tmp_path, monkeypatch):
    output = tmp_path / "f"
    run(output)
    assert labels_of(output) == EXPECTED
    # A rerun reads no tags again but those of changed content.
    monkeypatch.setattr(extract_job, "read_file_tags", None)
    n_extracted, said = run(output)
    assert (n_extracted, "nothing to do" in said) == (0, True)
    tag_mp3(collection / "high" / "a.mp3", TCON(encoding=3, text="Reggae"))
    assert run(output)[0] == 1
    assert labels_of(output) == {**EXPECTED, "high/a.mp3": ("Reggae", None)}


def test_labels_are_exchanged_without_a_new_extraction(run, tmp_path):
    output = tmp_path / "f"
    run(output, FOLDERS)
    assert labels_of(output) == folder_labels()
    n_extracted, said = run(output, TAGS)
    assert (n_extracted, labels_of(output)) == (0, EXPECTED)
    assert "reading the tags of 5 files, whose labels are from elsewhere" in said
    assert "4 with new labels" not in said
    n_extracted, said = run(output, TAGS)
    assert (n_extracted, "reading the tags" in said) == (0, False)
    n_extracted, _ = run(output, FOLDERS)
    assert (n_extracted, labels_of(output)) == (0, folder_labels())
    run(output, TAGS)
    assert labels_of(output) == EXPECTED


@pytest.mark.soak
def test_killed_between_two_kinds_of_labels(run, tmp_path):
    """At any moment of the exchange of tags for folders: a run with tags then finds tags again."""
    output, n = tmp_path / "f", 1
    run(output)
    while not outlives(n, run, output, FOLDERS, changes=("replace", "write_text")):
        run(output, TAGS)
        assert labels_of(output) == EXPECTED, n
        n += 1
    # It begins, puts the tracks into place, notes that, and finishes.
    assert n == 5
    assert labels_of(output) == folder_labels()


def test_rows_of_an_earlier_version_get_labels_from_tags(run, tmp_path):
    """Its extract.json does not say where labels are from."""
    output = tmp_path / "f"
    run(output, FOLDERS)
    summary = json.loads((output / "extract.json").read_text())
    assert summary.pop("labels_from") == "parent_dir"
    (output / "extract.json").write_text(json.dumps(summary))
    run(output, TAGS)
    assert labels_of(output) == EXPECTED


def test_on_a_file_system_that_is_not_mounted(spark, collection, tmp_path):
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    conf.set("fs.viewfs.mounttable.tagtest.link./music", collection.as_uri())
    conf.set("fs.viewfs.mounttable.tagtest.link./out", tmp_path.as_uri())
    places = ("viewfs://tagtest/music", "viewfs://tagtest/out/f")
    extract(spark, *places, settings=TAGS, report=lambda _: None)
    assert labels_of(tmp_path / "f") == EXPECTED
    for settings, expected in ((FOLDERS, folder_labels()), (TAGS, EXPECTED)):
        extract(spark, *places, settings=settings, report=lambda _: None)
        assert labels_of(tmp_path / "f") == expected


def test_a_file_that_cannot_be_read_any_more_has_no_labels(run, collection, tmp_path, monkeypatch):
    output = tmp_path / "f"
    run(output, FOLDERS)
    read = Scratch.read_contents

    def lose_one_first(*args, **kwargs):
        (collection / "high" / "b.flac").unlink()
        return read(*args, **kwargs)

    monkeypatch.setattr(Scratch, "read_contents", lose_one_first)
    assert run(output, TAGS)[0] == 0
    assert labels_of(output) == {**EXPECTED, "high/b.flac": (None, None)}
