"""What is right and wrong with the Pythons that were looked at, each by itself and against the driver's."""

import dataclasses
from collections.abc import Callable, Sequence

from deepsound.doctor.check import FAIL, OK, WARN, Check
from deepsound.doctor.machine import LIBRARIES, Machine

_SEVERITY = (OK, WARN, FAIL)
_FEW_FREE_BYTES = 2_000_000_000
_HOW_TO_PACK = (
    "make executor-env, and --archives build/deepsound-executor.tar.gz#environment with "
    "PYSPARK_PYTHON=./environment/bin/python"
)


def check_everywhere(machines: Sequence[Machine], look: Callable[[Machine], Check]) -> Check:
    """The worst finding on any of the machines, and on how many of them."""
    checks = [look(machine) for machine in machines]
    worst = max(checks, key=lambda check: _SEVERITY.index(check.status))
    where = [machine.host for machine, check in zip(machines, checks, strict=True) if check.status == worst.status]
    if worst.status == OK or len(machines) == 1:
        return worst
    return dataclasses.replace(worst, found=f"{worst.found} ({len(where)} of {len(machines)}, as on {where[0]})")


def check_libraries(machine: Machine, *, name: str) -> Check:
    """Whether all that an executor needs is installed."""
    missing = [library for library, version in machine.libraries.items() if version is None]
    if missing:
        return Check(
            status=FAIL,
            name=name,
            found=f"{', '.join(missing)} missing from {machine.executable}",
            advice=f"pip install {' '.join(missing)} there, or pack an environment: {_HOW_TO_PACK}",
        )
    versions = ", ".join(f"{library} {version}" for library, version in machine.libraries.items())
    return Check(status=OK, name=name, found=versions)


def check_same_libraries(machine: Machine, driver: Machine, *, name: str) -> Check:
    """Whether an executor has the driver's versions; what it lacks is a failure, another version a warning."""
    complete = check_libraries(machine, name=name)
    if complete.status != OK:
        return complete
    others = [
        f"{library} {machine.libraries.get(library)} (driver {driver.libraries[library]})"
        for library in LIBRARIES
        if machine.libraries.get(library) != driver.libraries[library]
    ]
    if others:
        advice = f"numbers may differ between machines; the same versions everywhere: {_HOW_TO_PACK}"
        return Check(status=WARN, name=name, found=", ".join(others), advice=advice)
    return Check(status=OK, name=name, found=f"the driver's versions of all {len(LIBRARIES)}")


def check_same_code(machine: Machine, driver: Machine, *, name: str) -> Check:
    """Whether an executor runs the driver's deepsound."""
    found = f"deepsound {machine.deepsound_version} in {machine.deepsound_folder}"
    if machine.deepsound_digest == driver.deepsound_digest:
        return Check(status=OK, name=name, found=found)
    return Check(
        status=FAIL,
        name=name,
        found=f"{found} is not the driver's {driver.deepsound_version} in {driver.deepsound_folder}",
        advice=f"bring both to one state; a packed environment is of the day it was packed: {_HOW_TO_PACK}",
    )


def check_formats(machine: Machine, *, name: str) -> Check:
    """Whether the tiny sounds could be decoded."""
    failed = {container: why for container, why in machine.formats.items() if why is not None}
    if failed:
        found = "; ".join(f"{container}: {why}" for container, why in failed.items())
        advice = "pip install --upgrade soundfile av; their wheels bring the decoders along"
        return Check(status=FAIL, name=name, found=found, advice=advice)
    return Check(status=OK, name=name, found=f"{', '.join(machine.formats)} decoded")


def check_writing(machine: Machine, *, name: str, advice: str) -> Check:
    """Whether there is somewhere to write, and room."""
    failed = [f"{folder}: {why}" for folder, why in machine.unwritable.items() if why is not None]
    if failed:
        return Check(status=FAIL, name=name, found=f"cannot write to {'; '.join(failed)}", advice=advice)
    found = f"{', '.join(machine.unwritable)}; {machine.free_bytes / 1e9:.0f} GB free"
    if machine.free_bytes < _FEW_FREE_BYTES:
        return Check(status=WARN, name=name, found=found, advice=f"make room, or: {advice}")
    return Check(status=OK, name=name, found=found)


def check_threads(machine: Machine, *, cpus_per_task: int, n_tasks_here: int | None) -> Check:
    """Whether the numeric libraries of a task keep to the cores that it has.

    Parameters
    ----------
    cpus_per_task : int
        ``spark.task.cpus``.
    n_tasks_here : int, optional
        Tasks that run on this machine at a time, where that is known.
    """
    name = "threads"
    limits = ", ".join(f"{variable}={value}" for variable, value in machine.thread_limits.items())
    found = f"{machine.n_cores} cores, {cpus_per_task} per task, {limits or 'OMP_NUM_THREADS not set'}"
    allowed = machine.thread_limits.get("OMP_NUM_THREADS", "")
    if not allowed.isdecimal() or int(allowed) > cpus_per_task:
        advice = f"--conf spark.executorEnv.OMP_NUM_THREADS={cpus_per_task}, or tasks get into each other's way"
        return Check(status=WARN, name=name, found=found, advice=advice)
    if n_tasks_here is not None and n_tasks_here * cpus_per_task > machine.n_cores:
        advice = f"at most local[{max(1, machine.n_cores // cpus_per_task)}], as more tasks only wait for cores"
        return Check(status=WARN, name=name, found=f"{found}, {n_tasks_here} tasks at a time", advice=advice)
    return Check(status=OK, name=name, found=found)
