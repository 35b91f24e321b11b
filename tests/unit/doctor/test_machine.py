import json
import pathlib
import re

import pytest

from deepsound.doctor import machine
from deepsound.doctor.check import FAIL, OK, WARN
from deepsound.doctor.machine import LIBRARIES, complain, list_versions, try_decoding, try_writing

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_the_libraries_are_those_that_setup_lists_for_executors():
    text = re.search(r"EXECUTOR = \[(.*?)\n\]", (ROOT / "setup.py").read_text(), re.DOTALL)[1]
    names = re.findall(r'^\s*"([A-Za-z0-9_.-]+)', text, re.MULTILINE)
    assert [name.lower() for name in LIBRARIES] == [name.lower() for name in names]


def test_all_is_well_and_travels_as_plain_values(monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    versions = list_versions()
    checks = [
        machine.check_code(versions),
        machine.check_libraries(),
        machine.check_libraries(versions),
        machine.check_formats(),
        machine.check_folders([str(tmp_path)], advice="another"),
        machine.check_threads(1, n_tasks=1),
    ]
    assert [check[0] for check in checks] == [OK] * len(checks)
    assert json.loads(json.dumps(checks)) == [list(check) for check in checks]


def test_the_digest_is_of_the_source(tmp_path, monkeypatch):
    digests = []
    for number, text in enumerate(["x = 1", "x = 2", "x = 1"]):
        package = tmp_path / str(number)
        package.mkdir()
        (package / "a.py").write_text(text)
        (package / "notes.txt").write_text(str(number))
        monkeypatch.setattr(machine.deepsound, "__file__", str(package / "__init__.py"))
        digests.append(list_versions()["deepsound"])
    assert digests[0] == digests[2] != digests[1]


def test_other_code_of_the_same_version_is_a_failure():
    status, found, advice = machine.check_code({"deepsound": "of another day"})
    assert status == FAIL
    assert "is not the driver's" in found
    assert "make executor-env" in advice


def test_a_missing_library_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(machine, "LIBRARIES", ("numpy", "no-such-library"))
    for driver in (None, {"numpy": "1.0", "no-such-library": "1.0"}):
        status, found, advice = machine.check_libraries(driver)
        assert (status, found.split()[0]) == (FAIL, "no-such-library")
        assert "pip install no-such-library" in advice
        assert "make executor-env" in advice


def test_another_version_than_the_drivers_is_a_warning_that_names_both():
    versions = list_versions()
    status, found, _ = machine.check_libraries({**versions, "numpy": "1.0"})
    assert (status, found) == (WARN, f"numpy {versions['numpy']} (driver 1.0)")


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    folders = [str(tmp_path), str(tmp_path / "file" / "below")]
    found = f"cannot write to {folders[1]}: Not a directory"
    assert machine.check_folders(folders, advice="use /c") == (FAIL, found, "use /c")


def test_little_room_is_a_warning(monkeypatch, tmp_path):
    usage = type("Usage", (), {"free": 1_000_000_000})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    status, found, advice = machine.check_folders([str(tmp_path)], advice="use /c")
    assert status == WARN
    assert "1 GB free" in found
    assert advice == "make room, or: use /c"


def test_nothing_is_left_behind_and_no_folder_is_made(tmp_path):
    try_writing(str(tmp_path / "not" / "there"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("limit", "cpus", "n_tasks", "status", "advice"),
    [
        (None, 1, 4, WARN, "spark.executorEnv.OMP_NUM_THREADS=1"),
        ("8", 2, 2, WARN, "spark.executorEnv.OMP_NUM_THREADS=2"),
        ("many", 1, 4, WARN, "OMP_NUM_THREADS=1"),
        ("2", 2, 2, OK, ""),
        ("1", 2, 3, WARN, "local[2]"),
        ("1", 1, 1, OK, ""),
    ],
)
def test_threads_of_a_task_keep_to_its_cores(monkeypatch, limit, cpus, n_tasks, status, advice):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: range(4))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if limit is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", limit)
    found = machine.check_threads(cpus, n_tasks=n_tasks)
    assert found[0] == status
    assert advice in found[2]


def test_a_format_that_cannot_be_decoded_says_why(monkeypatch):
    def fail(container):
        if container != "wav":
            raise RuntimeError(f"no {container} here")

    monkeypatch.setattr(machine, "try_decoding", fail)
    monkeypatch.setattr(machine, "FORMATS", ("wav", "mp3"))
    assert machine.check_formats()[:2] == (FAIL, "mp3: no mp3 here")


def test_a_sound_that_is_none_gives_a_complaint(monkeypatch):
    import soundfile

    monkeypatch.setattr(soundfile, "write", lambda file, *_, **__: file.write(b"not music at all"))
    assert "not a sound file" in complain(["wav"], look=try_decoding)
