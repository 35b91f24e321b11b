"""Which Spark the doctor looks at: the words of ``spark-submit``, for a session of this very process."""

import contextlib
import os
import pathlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from deepsound.errors import ConfigError, ParameterError

# As java.util.Properties has it: a key, then spaces, '=' or ':', then the value.
_PROPERTY = re.compile(r"\s*([^\s=:#!]+)\s*[=:\s]\s*(.*?)\s*")


def read_options(properties_file: str | None, *, conf: Sequence[str], master: str | None) -> dict[str, str]:
    """Spark's settings, what is said last winning; empty where nothing is said."""
    try:
        text = pathlib.Path(properties_file).read_text(encoding="utf-8") if properties_file else ""
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"cannot read the Spark settings {properties_file}: {exc}") from exc
    options = {match[1]: match[2] for match in map(_PROPERTY.fullmatch, text.splitlines()) if match}
    for pair in conf:
        key, equals, options[key] = pair.partition("=")
        if not equals:
            raise ParameterError(f"--conf got {pair!r}; wanted key=value")
    return options | ({"spark.master": master} if master else {})


@contextlib.contextmanager
def options_in_force(options: Mapping[str, str]) -> Iterator[None]:
    """Within the block, sessions of this process and of those that it starts are of these options."""
    words = [
        w for key, value in {"spark.ui.enabled": "false", **options}.items() for w in ("--conf", f"{key}={value}")
    ]
    variables = {"PYSPARK_SUBMIT_ARGS": shlex.join([*words, "pyspark-shell"])} if options else {}
    if "spark.pyspark.python" in options:
        # spark-submit hands this setting to a Python driver in the environment; here nobody else would.
        variables["PYSPARK_PYTHON"] = options["spark.pyspark.python"]
    before = {name: os.environ[name] for name in variables if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update(before)
