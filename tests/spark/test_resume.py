"""A rerun does only what is missing or has changed, and ends where an undisturbed run would have ended."""

import json
import os
import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from deepsound.config import ExtractSettings, LabelSettings
from deepsound.errors import LabelError, OutputError
from deepsound.spark import stretches
from deepsound.spark.extract import RerunPolicy, extract, watch
from deepsound.spark.shards import ShardStore
from tests.spark.deaths import outlives

SETTINGS = ExtractSettings(segment_s=1.0, shard_files=2, max_failure_fraction=1.0)
KEYS = {"tracks": ("track_id",), "segments": ("track_id", "segment_index")}


@pytest.fixture
def collection(clip, tmp_path):
    """Three short tracks and one that is none."""
    root = tmp_path / "music"
    for number, genre in enumerate(("high", "low", "noise")):
        write_track(root / genre / f"{genre}.wav", clip(genre, number, duration_s=1.0))
    (root / "low" / "text.wav").write_text("no music")
    return root


def write_track(path, waveform):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, 22050)


@pytest.fixture
def run(spark, collection):
    """A function that extracts the collection and gives the result and what was said."""

    def run_once(output, settings=SETTINGS, **policy):
        lines = []
        result = extract(
            *(spark, str(collection), str(output)),
            settings=settings,
            policy=RerunPolicy(**policy),
            report=lines.append,
        )
        return result, "\n".join(lines)

    return run_once


def rows_of(output):
    """Both tables as an undisturbed run must leave them, whatever the order."""
    return {
        table: sorted(pq.read_table(output / table).to_pylist(), key=lambda row: [row[key] for key in keys])
        for table, keys in KEYS.items()
    }


def check_whole(output, run, tmp_path, settings=SETTINGS):
    """The output is what a first run over the same collection writes, with nothing beside it."""
    fresh = tmp_path / "undisturbed"
    shutil.rmtree(fresh, ignore_errors=True)
    run(fresh, settings)
    got, expected = rows_of(output), rows_of(fresh)
    assert [list(row.values())[:19] for row in got["tracks"]] == [
        list(row.values())[:19] for row in expected["tracks"]
    ]
    assert got == expected
    counts = [json.loads((folder / "extract.json").read_text())["counts"] for folder in (output, fresh)]
    assert counts[0] == counts[1]
    assert sorted(path.name for path in output.iterdir() if not path.name.startswith(".")) == [
        *("extract.json", "segments", "tracks")
    ]
    stems = [{path.name.split(".")[0].split("-part")[0] for path in (output / name).glob("*")} for name in KEYS]
    assert stems[0] - {""} == stems[1] - {""}


def test_a_rerun_over_the_same_files_writes_nothing(run, tmp_path):
    output = tmp_path / "f"
    first, _ = run(output)
    assert (first.n_tracks, first.n_extracted) == (4, 4)
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.parquet")}
    assert len(before) == 4
    result, said = run(output)
    assert (result.n_tracks, result.n_extracted) == (4, 0)
    assert "nothing to do" in said
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.parquet")} == before


def test_only_new_and_changed_files_are_extracted(run, collection, clip, tmp_path):
    output = tmp_path / "f"
    run(output)
    changed = collection / "high" / "high.wav"
    size = changed.stat().st_size
    write_track(changed, clip("high", 7, duration_s=1.0))
    assert changed.stat().st_size == size
    write_track(collection / "noise" / "another.wav", clip("noise", 8, duration_s=1.0))
    touched = collection / "low" / "low.wav"
    os.utime(touched, ns=(0, 1_000_000_000_000))
    result, said = run(output)
    assert result.n_extracted == 2
    assert "1 new, 1 changed, 1 with new labels or a new time only" in said
    check_whole(output, run, tmp_path)
    # The touched one is not hashed again and again.
    assert run(output)[0].n_extracted == 0


def test_failed_tracks_are_tried_again_only_if_asked_for(run, collection, clip, tmp_path):
    output = tmp_path / "f"
    short = replace(SETTINGS, max_duration_s=1.2)
    write_track(collection / "low" / "long.wav", clip("low", 3, duration_s=2.0))
    run(output, short)
    result, said = run(output)
    assert (result.n_extracted, result.n_failed) == (0, 2)
    assert "max_duration_s was 1.2, is now" in said
    result, _ = run(output, retry_failed=True)
    assert (result.n_extracted, result.n_failed) == (2, 1)
    check_whole(output, run, tmp_path)


def test_a_file_that_is_gone_keeps_its_row_until_pruned(run, collection, tmp_path):
    output = tmp_path / "f"
    run(output)
    (collection / "noise" / "noise.wav").unlink()
    result, said = run(output)
    assert (result.n_tracks, result.n_gone) == (4, 1)
    assert "1 of them have no file any more; --prune removes them" in said
    result, _ = run(output, prune=True)
    assert (result.n_tracks, result.n_gone, result.n_extracted) == (3, 0, 0)
    check_whole(output, run, tmp_path)


def test_new_labels_need_no_new_extraction(run, collection, tmp_path):
    output = tmp_path / "f"
    run(output)
    segments = {path: path.stat().st_mtime_ns for path in (output / "segments").glob("*.parquet")}
    table = collection / "labels.csv"
    table.write_text("path,genre,artist,split\nhigh/high.wav,treble,,train\nlow/low.wav,low,Bass & Sons,test\n")
    relabelled = replace(SETTINGS, labels=LabelSettings(source="csv", csv=str(table)))
    result, said = run(output, relabelled)
    assert result.n_extracted == 0
    assert f"{table}: 2 of 4 tracks labelled\n" in said
    assert "1 files left out: 1 .csv (e.g. 'labels.csv')" in said
    assert "labels that stood there before and are lost, as there are no new ones: genre of 2 tracks" in said
    check_whole(output, run, tmp_path, relabelled)
    assert {row["genre"] for row in rows_of(output)["tracks"]} == {"treble", "low", None}
    assert {path: path.stat().st_mtime_ns for path in (output / "segments").glob("*.parquet")} == segments


def test_a_label_csv_that_labels_nothing_is_refused_before_anything_is_written(run, collection, tmp_path):
    output, fresh = tmp_path / "f", tmp_path / "fresh"
    run(output)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in output.rglob("*") if path.is_file()}
    table = collection / "labels.csv"
    wrong = replace(SETTINGS, labels=LabelSettings(source="csv", csv=str(table)))
    for header, message in (
        ("path,genre", "labels none of the 4 tracks"),
        ("path,label", "has the columns 'path'"),
    ):
        table.write_text(f"{header}\nelsewhere/high.wav,high\n")
        for folder, policy in ((output, {}), (output, {"overwrite": True}), (fresh, {})):
            with pytest.raises(LabelError, match=message):
                run(folder, wrong, **policy)
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in output.rglob("*") if path.is_file()}
    assert after == before
    assert not fresh.exists()


def as_first_edition(output):
    """Files as the first edition wrote them: labels in every segment, a number for each writing."""
    labels = {row["track_id"]: row for row in pq.read_table(output / "tracks").to_pylist()}
    for file in [*output.rglob("*/shard-*.parquet")]:
        first, shard, *part = file.name.removesuffix(".parquet").split("-")
        table = pq.read_table(file)
        if file.parent.name == "segments":
            for name in ("genre", "artist", "split"):
                values = [labels[track_id][name] for track_id in table["track_id"].to_pylist()]
                table = table.append_column(name, pa.array(values, pa.string()))
        for number in (1, 2):
            pq.write_table(table, file.with_name("-".join([first, shard, f"r{number}", *part]) + ".parquet"))
        file.unlink()
    for old in output.glob("*/*-r1*"):
        # Killed between the commit of the later writing and the removal of the one before, which had no labels.
        table = pq.read_table(old)
        nulls = pa.nulls(table.num_rows, pa.string())
        pq.write_table(table.set_column(table.schema.get_field_index("genre"), "genre", nulls), old)


def test_a_folder_of_the_first_edition_is_brought_up_to_date(run, collection, clip, tmp_path):
    output = tmp_path / "f"
    run(output)
    before = rows_of(output)
    for crc in output.rglob(".*.crc"):
        crc.unlink()
    as_first_edition(output)
    assert "nothing to do" in run(output)[1]
    assert {file.name.split("-")[2][:2] for file in output.rglob("shard-*")} == {"r2"}
    assert rows_of(output)["tracks"] == before["tracks"]
    write_track(collection / "high" / "high.wav", clip("high", 21, duration_s=1.0))
    (collection / "low" / "low.wav").rename(collection / "noise" / "low.wav")
    result, _ = run(output, prune=True)
    assert (result.n_extracted, result.n_tracks) == (2, 4)
    rows = rows_of(output)
    for row in rows["segments"]:
        for name in ("genre", "artist", "split"):
            row.pop(name, None)
    run(tmp_path / "undisturbed")
    assert rows == rows_of(tmp_path / "undisturbed")


@pytest.mark.soak
def test_copies_change_places_with_their_originals(run, collection, tmp_path):
    output = tmp_path / "f"
    drop = replace(SETTINGS, duplicates="drop")
    for name in ("b", "c"):
        shutil.copy(collection / "high" / "high.wav", collection / "high" / f"{name}.wav")
    run(output, drop)
    check_whole(output, run, tmp_path, drop)
    # An earlier name for the same bytes, and the former original gone another way.
    shutil.copy(collection / "high" / "high.wav", collection / "high" / "a.wav")
    shutil.copy(collection / "low" / "low.wav", collection / "high" / "b.wav")
    run(output, drop)
    check_whole(output, run, tmp_path, drop)
    run(output)
    check_whole(output, run, tmp_path)
    assert run(output, drop)[0].n_extracted == 0
    check_whole(output, run, tmp_path, drop)


def test_other_settings_are_shown_side_by_side_and_overwritten_if_asked_for(run, tmp_path):
    output = tmp_path / "f"
    run(output)
    before = rows_of(output)
    other = replace(SETTINGS, segment_s=0.5)
    with pytest.raises(OutputError, match="--overwrite"):
        run(output, other)
    assert rows_of(output) == before
    result, _ = run(output, other, overwrite=True)
    assert result.n_extracted == 4
    check_whole(output, run, tmp_path, other)


def test_settings_side_by_side(spark, collection, tmp_path):
    output, lines = tmp_path / "f", []
    extract(spark, str(collection), str(output), settings=SETTINGS, report=lines.append)
    with pytest.raises(OutputError):
        extract(
            spark, str(collection), str(output), settings=replace(SETTINGS, segment_s=0.5), report=lines.append
        )
    (line,) = [line for line in lines if line.startswith("*") and "segment_s " in line]
    assert line.split() == ["*", "segment_s", "1.0", "0.5"]
    assert any(line.split() == ["normalize", "peak", "peak"] for line in lines)


@pytest.mark.soak
def test_killed_at_any_moment_of_a_first_run(run, tmp_path):
    n = 1
    while not outlives(n, run, tmp_path / f"f{n}"):
        n += 1
    # Every change was tried: a run has several for each of its two shards.
    assert n > 8
    run(tmp_path / "undisturbed")
    for number in range(1, n):
        result, _ = run(tmp_path / f"f{number}")
        assert result.n_tracks == 4
        assert rows_of(tmp_path / f"f{number}") == rows_of(tmp_path / "undisturbed")


@pytest.mark.soak
def test_killed_at_any_moment_of_a_rerun(run, collection, clip, tmp_path):
    run(tmp_path / "base")
    write_track(collection / "high" / "high.wav", clip("high", 9, duration_s=1.0))
    (collection / "noise" / "noise.wav").rename(collection / "noise" / "renamed.wav")
    run(tmp_path / "undisturbed")
    finished = [rows_of(tmp_path / name) for name in ("base", "undisturbed")]
    n = 1
    while True:
        output = tmp_path / f"f{n}"
        shutil.copytree(tmp_path / "base", output)
        if outlives(n, run, output, prune=True):
            break
        assert not (output / "extract.json").exists() or rows_of(output) in finished
        n += 1
    assert n > 10
    for number in range(1, n):
        run(tmp_path / f"f{number}", prune=True)
        assert rows_of(tmp_path / f"f{number}") == rows_of(tmp_path / "undisturbed")


def test_a_killed_run_loses_at_most_a_shard(run, tmp_path):
    """Shard by shard: with one file a shard, a run killed behind the third commit leaves one file to do."""
    one = replace(SETTINGS, shard_files=1)
    n = 1
    while len(list((tmp_path / f"f{n - 1}" / "tracks").glob("shard-*"))) < 3:
        outlives(n, run, tmp_path / f"f{n}", one)
        n += 1
    result, _ = run(tmp_path / f"f{n - 1}", one)
    assert (result.n_tracks, result.n_extracted) == (4, 1)


def test_more_tracks_than_the_driver_looks_at_at_a_time(run, collection, clip, tmp_path, monkeypatch):
    monkeypatch.setattr(stretches, "_ROWS_A_STRETCH", 2)
    write_track(collection / "high" / "a.wav", clip("high", 31, duration_s=1.0))
    output = tmp_path / "f"
    assert run(output)[0].n_extracted == 5
    check_whole(output, run, tmp_path)
    for path in collection.rglob("*.wav"):
        os.utime(path, ns=(0, 2_000_000_000_000))
    write_track(collection / "high" / "a.wav", clip("high", 32, duration_s=1.0))
    result, said = run(output)
    assert (result.n_extracted, "1 changed, 4 with new labels or a new time only" in said) == (1, True)
    check_whole(output, run, tmp_path)


def test_two_runs_in_the_same_folder_do_not_mix(run, monkeypatch, tmp_path):
    """The later one takes over; the earlier one stops at its next commit."""
    output = tmp_path / "f"
    commit = ShardStore.commit
    others = [run]

    def start_another_first(self, *args, **kwargs):
        if others:
            others.pop()(output)
        commit(self, *args, **kwargs)

    monkeypatch.setattr(ShardStore, "commit", start_another_first)
    with pytest.raises(OutputError, match="another extraction has begun"):
        run(output)
    monkeypatch.undo()
    run(output)
    check_whole(output, run, tmp_path)


def test_watching_takes_what_lands(spark, clip, tmp_path):
    root, output = tmp_path / "landing", tmp_path / "f"
    (root / "high").mkdir(parents=True)
    seen, said = [], []

    def land():
        """Called after each look; something else has landed by the next."""
        tracks = pq.read_table(output / "tracks").to_pylist() if (output / "extract.json").exists() else []
        seen.append({row["track_id"]: row["status"] for row in tracks})
        number = len(seen)
        if number == 1:
            (root / "high" / "half.wav").write_bytes(b"RIFF")
        elif number == 2:
            write_track(root / "high" / "half.wav", clip("high", 1, duration_s=1.0))
            # Older than all that is there: Spark's streaming source would pass it over.
            write_track(root / "high" / "old.wav", clip("high", 2, duration_s=1.0))
            os.utime(root / "high" / "old.wav", (0, 0))
        return number == 4

    watch(
        *(spark, str(root), str(output)),
        settings=SETTINGS,
        every_s=0.01,
        is_over=land,
        report=said.append,
    )
    assert seen[0] == {}
    assert seen[1] == {"high/half.wav": "failed"}
    assert seen[2] == seen[3] == {"high/half.wav": "ok", "high/old.wav": "ok"}
    assert len([line for line in said if "to do" in line]) == 2


def test_a_watch_waits_for_a_label_csv_that_is_wrong_meanwhile(spark, clip, tmp_path):
    root, output, table = tmp_path / "landing", tmp_path / "f", tmp_path / "labels.csv"
    write_track(root / "a.wav", clip("high", 1, duration_s=1.0))
    said, genres = [], []
    states = ["path,genre\nelsewhere.wav,x\n", "path,ge", "path,genre\na.wav,y\n"]

    def change():
        genres.append(pq.read_table(output / "tracks")["genre"].to_pylist())
        table.write_text(states[min(len(genres), len(states)) - 1])
        return len(genres) == 4

    settings = replace(SETTINGS, labels=LabelSettings(source="csv", csv=str(table)))
    places = (spark, str(root), str(output))
    table.write_text(states[0])
    with pytest.raises(LabelError, match="none of the 1 tracks"):
        watch(*places, settings=settings, every_s=0.01, report=said.append)
    assert not output.exists()
    table.write_text("path,genre\na.wav,x\n")
    watch(*places, settings=settings, every_s=0.01, is_over=change, report=said.append)
    assert genres == [["x"], ["x"], ["x"], ["y"]]
    assert [line[:30] for line in said if line.startswith("waiting")] == [f"waiting, as {table}"[:30]] * 2


def test_on_a_file_system_that_is_not_mounted(spark, collection, clip, run, tmp_path):
    """The same rows through Hadoop's own reader: a view of this machine's files under another scheme."""
    (collection / "low" / "empty.wav").write_bytes(b"")
    write_track(collection / "low" / "größe 100%20 #1.wav", clip("low", 5, duration_s=1.0))
    write_track(collection / "low" / "big.wav", clip("low", 6, duration_s=3.0))
    for name in ("cover.jpg", "low/Cover.JPG", ".hidden/x.wav", "low/_intro.wav", "low/.x/y/z.txt"):
        (collection / name).parent.mkdir(parents=True, exist_ok=True)
        (collection / name).write_bytes(b"x")
    settings = replace(SETTINGS, max_bytes=100_000)
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    conf.set("fs.viewfs.mounttable.test.link./music", collection.as_uri())
    conf.set("fs.viewfs.mounttable.test.link./out", tmp_path.as_uri())
    run(tmp_path / "mounted", settings)
    places = ("viewfs://test/music", "viewfs://test/out/viewed")
    result = extract(spark, *places, settings=settings, report=lambda _: None)
    assert result.n_tracks == 7
    for name in ("viewed", "mounted"):
        summary = json.loads((tmp_path / name / "extract.json").read_text())
        assert summary["left_out"] == {".jpg": 2, "hidden": 3}
    viewed, mounted = (rows_of(tmp_path / name) for name in ("viewed", "mounted"))
    for row in (*viewed["tracks"], *mounted["tracks"]):
        assert row.pop("path").endswith(row["track_id"])
        if row["error_code"] == "empty":
            row["modified_ms"] = None
    assert viewed == mounted
    assert {row["error_code"] for row in viewed["tracks"]} == {None, "empty", "too_large", "unsupported_format"}
    touched = collection / "low" / "low.wav"
    os.utime(touched, ns=(0, 1_000_000_000_000))
    write_track(collection / "high" / "high.wav", clip("high", 11, duration_s=1.0))
    result = extract(spark, *places, settings=settings, report=lambda _: None)
    assert result.n_extracted == 1


def test_what_an_earlier_version_wrote_is_not_mixed_with(run, tmp_path):
    output = tmp_path / "f"
    run(output)
    for name, old in (("tracks", "shard-00000.parquet"), ("segments", "shard-00000-part-0.parquet")):
        (output / name / old).rename(output / name / "part-00000.parquet")
    with pytest.raises(OutputError, match=r"part-00000\.parquet, which this version of extract does not write"):
        run(output)
    run(output, overwrite=True)
    check_whole(output, run, tmp_path)


def test_a_storage_that_refuses_is_one_clear_line(run, tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "segments").write_text("in the way: nothing can be written below it")
    with pytest.raises(OutputError, match="cannot write"):
        run(tmp_path / "f")
