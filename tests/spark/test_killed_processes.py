"""Processes that are killed for real: the driver, a worker, and a decoder that takes its process down with it."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pyarrow.parquet as pq
import pytest
import soundfile

from deepsound.config import ExtractSettings
from deepsound.spark.extract import extract
from tests.processes import list_processes

SETTINGS = ExtractSettings(segment_s=1.0, shard_files=6)

# Put in front of the decoder by Python's own start: files that say so kill or hang the process that opens them.
_TRAP = """
import os, signal, time
import soundfile

class Trapped(soundfile.SoundFile):
    def __init__(self, file, *args, **kwargs):
        place = file.tell()
        beginning = file.read(64)
        file.seek(place)
        if b"KILL" in beginning:
            os.kill(os.getpid(), signal.SIGKILL)
        if b"HANG" in beginning:
            time.sleep(1000)
        super().__init__(file, *args, **kwargs)

soundfile.SoundFile = Trapped
"""


@pytest.fixture
def collection(clip, tmp_path):
    root = tmp_path / "music" / "high"
    root.mkdir(parents=True)
    for number in range(24):
        soundfile.write(root / f"{number:02d}.wav", clip("high", number, duration_s=1.5), 22050)
    return root.parent


@pytest.fixture
def start(tmp_path):
    """A function that starts ``deepsound extract`` as a process of its own; none is left when the test is over."""
    started = []

    def start_extraction(collection, *arguments, **environment):
        command = [*(sys.executable, "-m", "deepsound.cli", "extract"), *("--set", "segment_s=1")]
        command += ["--input", str(collection), "--output", str(tmp_path / "f"), *map(str, arguments)]
        if os.geteuid() == 0:
            # The superuser reads every file, unless it gives that right away.
            rights = "-dac_override,-dac_read_search"
            command = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *command]
        with (tmp_path / "said.txt").open("w") as said:
            process = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
                stderr=said,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield start_extraction
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def rows_of(output):
    tables = (pq.read_table(output / name).to_pylist() for name in ("tracks", "segments"))
    return [sorted(rows, key=lambda row: (row["track_id"], row.get("segment_index"))) for rows in tables]


def test_a_killed_driver_goes_on_where_it_was(spark, start, collection, tmp_path):
    process = start(collection, "--set", "shard_files=6")
    tracks = tmp_path / "f" / "tracks"
    until(lambda: len(list(tracks.glob("*.parquet"))) >= 2 or process.poll() is not None)
    process.kill()
    process.wait()
    assert not (tmp_path / "f" / "extract.json").exists()
    result = extract(spark, str(collection), str(tmp_path / "f"), settings=SETTINGS, report=lambda _: None)
    assert result.n_tracks == 24
    assert 0 < result.n_extracted <= 12
    extract(spark, str(collection), str(tmp_path / "whole"), settings=SETTINGS, report=lambda _: None)
    assert rows_of(tmp_path / "f") == rows_of(tmp_path / "whole")
    # The orphaned JVM may have written on for a moment; what it wrote is nobody's.
    assert {path.name for path in (tmp_path / "f").iterdir() if path.name[0] not in "._"} == {
        *("extract.json", "segments", "tracks")
    }


@pytest.mark.parametrize("ended", ["by Ctrl-C", "without its Java"])
def test_a_job_that_is_ended_from_outside_says_so_in_one_line(start, collection, tmp_path, ended):
    process = start(collection, "--set", "shard_files=6")
    until(lambda: "to do: 24" in (tmp_path / "said.txt").read_text() or process.poll() is not None)
    java = [p.pid for p in list_processes() if p.session == process.pid and "SparkSubmit" in p.command]
    assert len(java) == 1
    if ended == "by Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    else:
        os.kill(java[0], signal.SIGKILL)
    code = process.wait(180)
    said = (tmp_path / "said.txt").read_text().splitlines()
    assert "Traceback" not in "\n".join(said)
    if ended == "by Ctrl-C":
        assert (code, said[-1]) == (130, "deepsound: interrupted")
    else:
        assert code == 2
        assert said[-1].startswith("deepsound: error [engine]: Spark's Java has ended: it was killed, ")
    until(lambda: java[0] not in {p.pid for p in list_processes()})


def test_a_killed_worker_is_made_good_by_spark(spark, collection, tmp_path):
    results = []

    def run():
        settings = ExtractSettings(segment_s=1.0)
        results.append(
            extract(spark, str(collection), str(tmp_path / "f"), settings=settings, report=lambda _: None)
        )

    thread = threading.Thread(target=run)
    before = set(python_workers())
    thread.start()
    killed = 0
    while thread.is_alive() and killed < 2:
        for pid in set(python_workers()) - (before if killed else set()):
            os.kill(pid, signal.SIGKILL)
            killed += 1
            break
        time.sleep(0.05)
    thread.join()
    assert killed
    assert results[0].n_ok == 24
    extract(spark, str(collection), str(tmp_path / "whole"), settings=SETTINGS, report=lambda _: None)
    assert rows_of(tmp_path / "f") == rows_of(tmp_path / "whole")


def test_files_that_kill_or_hang_their_decoder_fail_alone(start, collection, clip, tmp_path):
    for number in range(6, 24):
        (collection / "high" / f"{number:02d}.wav").unlink()
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap" / "sitecustomize.py").write_text(_TRAP)
    (collection / "high" / "deadly.wav").write_bytes(b"RIFF KILL" + bytes(100))
    (collection / "high" / "endless.wav").write_bytes(b"RIFF HANG" + bytes(100))
    trapped = os.pathsep.join([str(tmp_path / "trap"), *filter(None, sys.path)])
    soundfile.write(collection / "high" / "locked.wav", clip("high", 1), 22050)
    (collection / "high" / "locked.wav").chmod(0)
    settings = ("--set", "decode_timeout_s=2", "--set", "max_failure_fraction=1")
    process = start(collection, *settings, PYTHONPATH=trapped)
    assert process.wait(300) == 0, (tmp_path / "said.txt").read_text()[-3000:]
    failed = {row["track_id"]: row for row in rows_of(tmp_path / "f")[0] if row["status"] == "failed"}
    assert {name: row["error_code"] for name, row in failed.items()} == {
        "high/deadly.wav": "unreadable",
        "high/endless.wav": "timeout",
        "high/locked.wav": "unreadable",
    }
    assert "Permission denied" in failed["high/locked.wav"]["error_detail"]
    assert "the decoder died of signal 9" in failed["high/deadly.wav"]["error_detail"]
    assert len(rows_of(tmp_path / "f")[0]) == 9


def python_workers():
    """Process ids of Spark's Python workers: children of the daemon that this test's JVM has started."""
    pids = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parent = pathlib.Path("/proc") / fields[1]
            is_worker = all(b"pyspark.daemon" in (p / "cmdline").read_bytes() for p in (folder, parent))
            if is_worker and os.getsid(int(folder.name)) == os.getsid(0):
                pids.append(int(folder.name))
        except (OSError, IndexError):
            continue
    return pids


def until(is_so):
    for _ in range(3600):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that within three minutes")
