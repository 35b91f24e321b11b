import functools

import pytest

from deepsound.doctor import comparison
from deepsound.doctor.check import FAIL, OK, WARN


def test_all_is_well(machine):
    here = machine()
    checks = [
        comparison.check_libraries(here, name="libraries"),
        comparison.check_same_libraries(here, here, name="libraries"),
        comparison.check_same_code(here, here, name="code"),
        comparison.check_formats(here, name="formats"),
        comparison.check_writing(here, name="folders", advice="another"),
        comparison.check_threads(here, cpus_per_task=1, n_tasks_here=4),
    ]
    assert [(check.status, check.advice) for check in checks] == [(OK, "")] * len(checks)


def test_a_missing_library_says_how_to_get_it(machine):
    libraries = {**machine().libraries, "soxr": None, "av": None}
    for check in (
        comparison.check_libraries(machine(libraries=libraries), name="x"),
        comparison.check_same_libraries(machine(libraries=libraries), machine(), name="x"),
    ):
        assert (check.status, check.found) == (FAIL, "av, soxr missing from /usr/bin/python")
        assert "pip install av soxr" in check.advice
        assert "make executor-env" in check.advice


def test_another_version_than_the_drivers_is_a_warning_that_names_both(machine):
    there = machine(libraries={**machine().libraries, "numpy": "2.0"})
    check = comparison.check_same_libraries(there, machine(), name="x")
    assert (check.status, check.found) == (WARN, "numpy 2.0 (driver 1.0)")


def test_a_library_that_an_older_deepsound_did_not_look_at(machine):
    there = machine(libraries={name: "1.0" for name in machine().libraries if name != "mutagen"})
    assert comparison.check_same_libraries(there, machine(), name="x").found == "mutagen None (driver 1.0)"


def test_other_code_of_the_same_version_is_a_failure(machine):
    there = machine(deepsound_digest="b" * 64, deepsound_folder="/packed/deepsound")
    check = comparison.check_same_code(there, machine(), name="x")
    assert check.status == FAIL
    assert "/packed/deepsound is not the driver's 1.0 in /env/deepsound" in check.found
    assert "make executor-env" in check.advice


def test_a_format_that_cannot_be_decoded(machine):
    check = comparison.check_formats(machine(formats={"wav": None, "m4a": "no codec"}), name="x")
    assert (check.status, check.found) == (FAIL, "m4a: no codec")


def test_a_folder_that_cannot_be_written_to(machine):
    check = comparison.check_writing(
        machine(unwritable={"/a": None, "/b": "Read-only"}), name="x", advice="use /c"
    )
    assert (check.status, check.found, check.advice) == (FAIL, "cannot write to /b: Read-only", "use /c")


def test_little_room_is_a_warning(machine):
    check = comparison.check_writing(machine(free_bytes=1_000_000_000), name="x", advice="use /c")
    assert check.status == WARN
    assert "1 GB free" in check.found


@pytest.mark.parametrize(
    ("limits", "cpus", "n_tasks", "status", "advice"),
    [
        ({}, 1, 4, WARN, "spark.executorEnv.OMP_NUM_THREADS=1"),
        ({"OMP_NUM_THREADS": "8"}, 2, 2, WARN, "spark.executorEnv.OMP_NUM_THREADS=2"),
        ({"OMP_NUM_THREADS": "many"}, 1, 4, WARN, "OMP_NUM_THREADS=1"),
        ({"OMP_NUM_THREADS": "2"}, 2, 2, OK, ""),
        ({"OMP_NUM_THREADS": "1"}, 2, 3, WARN, "local[2]"),
        ({"OMP_NUM_THREADS": "1"}, 1, None, OK, ""),
    ],
)
def test_threads_of_a_task_keep_to_its_cores(machine, limits, cpus, n_tasks, status, advice):
    check = comparison.check_threads(machine(thread_limits=limits), cpus_per_task=cpus, n_tasks_here=n_tasks)
    assert check.status == status
    assert advice in check.advice


def test_of_many_machines_the_worst_is_told_and_how_many_are_like_it(machine):
    machines = [machine(host=f"node{i}") for i in range(3)] + [machine(host="node9", formats={"mp3": "no"})]
    look = functools.partial(comparison.check_formats, name="formats")
    assert comparison.check_everywhere(machines[:3], look).line.endswith("wav, mp3 decoded")
    check = comparison.check_everywhere(machines, look)
    assert (check.status, check.found) == (FAIL, "mp3: no (1 of 4, as on node9)")
