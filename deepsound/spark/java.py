"""Finding a Java that Spark can run on.

Uses the standard library only and is run as a script by ``make``, before anything is installed:
``python3 deepsound/spark/java.py FOLDER`` prints the JAVA_HOME to use, or says what to do and exits with 2.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

MINIMUM_MAJOR = 17

HOW_TO_INSTALL = (
    f"Spark 4 needs Java {MINIMUM_MAJOR} or newer. Install one (Debian, Ubuntu: apt-get install "
    f"openjdk-{MINIMUM_MAJOR}-jre-headless; macOS: brew install openjdk@{MINIMUM_MAJOR}; without root: make java, "
    "which puts a JDK under .venv where the network allows), or point JAVA_HOME to one"
)


def find_java_home(private_folder: pathlib.Path | None = None) -> tuple[str | None, str]:
    """The first usable Java: JAVA_HOME, then the PATH, then JDKs in ``private_folder``.

    Returns
    -------
    (java_home, what was found)
        ``java_home`` is None where nothing usable was found; the text then says what was.
    """
    candidates: list[tuple[str, pathlib.Path]] = []
    if os.environ.get("JAVA_HOME"):
        candidates.append(("JAVA_HOME", pathlib.Path(os.environ["JAVA_HOME"]) / "bin" / "java"))
    on_path = shutil.which("java")
    if on_path:
        candidates.append(("the PATH", pathlib.Path(on_path).resolve()))
    if private_folder is not None:
        candidates += [(str(private_folder), path) for path in sorted(private_folder.glob("**/bin/java"))]
    findings = []
    for where, executable in candidates:
        major = _major_version(executable)
        if major is not None and major >= MINIMUM_MAJOR:
            return str(executable.parent.parent), f"Java {major} from {where}"
        findings.append(f"Java {major} from {where}" if major else f"no working Java at {executable} ({where})")
    return None, "; ".join(findings) or "no Java in JAVA_HOME or on the PATH"


def _major_version(executable: pathlib.Path) -> int | None:
    try:
        done = subprocess.run(
            [str(executable), "-version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(match.group(1)) if match else None


def main(argv: list[str]) -> int:
    """Print JAVA_HOME; exit code 2 and one message where there is none."""
    java_home, finding = find_java_home(pathlib.Path(argv[0]) if argv else None)
    if java_home is None:
        print(f"deepsound: {finding}. {HOW_TO_INSTALL}.", file=sys.stderr)
        return 2
    print(java_home)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
