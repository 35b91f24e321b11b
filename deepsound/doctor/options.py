"""Which Spark the doctor looks at: the words of ``spark-submit``, for a session of this very process."""

import contextlib
import os
import pathlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from deepsound.errors import ConfigError, ParameterError

# As java.util.Properties has it: a key, then spaces, '=' or ':', then the value.
_PROPERTY = re.compile(r"\s*([^\s=:#!]+)\s*[=:\s]\s*(.*?)\s*")


@dataclass(frozen=True, kw_only=True)
class SparkOptions:
    """``--master``, ``--properties-file`` and ``--conf``; all left open, a local Spark is meant."""

    master: str | None = None
    properties_file: str | None = None
    conf: tuple[str, ...] = ()

    def settings(self) -> dict[str, str]:
        """What file and ``--conf`` say, the latter winning.

        Raises
        ------
        ConfigError
            The file cannot be read.
        ParameterError
            A ``--conf`` that is no ``key=value``.
        """
        settings: dict[str, str] = {}
        if self.properties_file:
            try:
                lines = pathlib.Path(self.properties_file).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as exc:
                raise ConfigError(f"cannot read the Spark settings {self.properties_file}: {exc}") from exc
            settings |= {match[1]: match[2] for match in map(_PROPERTY.fullmatch, lines) if match}
        for pair in self.conf:
            key, equals, value = pair.partition("=")
            if not equals:
                raise ParameterError(f"--conf got {pair!r}; wanted key=value")
            settings[key] = value
        return settings

    @property
    def is_given(self) -> bool:
        """Whether anything was said."""
        return bool(self.master or self.properties_file or self.conf)

    @property
    def master_url(self) -> str:
        """The master that is meant."""
        return self.master or self.settings().get("spark.master", "local[*]")

    @property
    def is_local(self) -> bool:
        """Whether driver and executors are one process."""
        return self.master_url.startswith("local")

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """Within the block, sessions of this process and of those that it starts are of these options."""
        variables = {}
        if self.is_given:
            words = ["--conf", "spark.ui.enabled=false"]
            words += ["--master", self.master] if self.master else []
            words += ["--properties-file", self.properties_file] if self.properties_file else []
            words += [word for pair in self.conf for word in ("--conf", pair)]
            variables["PYSPARK_SUBMIT_ARGS"] = shlex.join([*words, "pyspark-shell"])
            # spark-submit hands this setting to a Python driver in the environment; here nobody else would.
            workers = self.settings().get("spark.pyspark.python")
            variables |= {"PYSPARK_PYTHON": workers} if workers else {}
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
