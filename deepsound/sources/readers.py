"""Sources of other packages: functions that read an input into rows of a manifest."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from deepsound.errors import ConfigError, PluginError, first_line
from deepsound.plugins import Plugin, Registry

READERS = Registry("source", group="deepsound.sources")
ROW_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("path", "genre", "artist", "split")),
        *((name, pa.int64()) for name in ("size_bytes", "modified_ms")),
    ]
)


def find_reader(name: str) -> Plugin:
    """Where the source of a name is.

    Raises
    ------
    ConfigError
        Naming the sources that there are.
    """
    plugin = READERS.find(name)
    if plugin is None:
        told = ", ".join(READERS.names()) or "none, as no package brings one"
        raise ConfigError(f"'source.reader' is {name!r:.200}; known: {told}")
    return plugin


def read_rows(reader: Plugin, path: str) -> Iterator[dict[str, Any]]:
    """Rows of :data:`ROW_SCHEMA`, as the reader gives them; whatever it does not name is null.

    Raises
    ------
    PluginError
        It cannot be imported, it fails, or it gives something else.
    """
    read = reader.load()
    try:
        for row in read(path):
            unknown = set(row) - set(ROW_SCHEMA.names)
            if unknown or not isinstance(row.get("path"), str):
                told = f"with {', '.join(map(repr, sorted(unknown)))}" if unknown else "without a path"
                raise PluginError(
                    f"{reader}, gives a row {told}; wanted path, and {', '.join(ROW_SCHEMA.names[1:])}"
                )
            # Now, and not in a batch of thousands: a number that is none.
            pa.RecordBatch.from_pylist([row], schema=ROW_SCHEMA)
            yield row
    except PluginError:
        raise
    except Exception as exc:  # whatever a stranger's code does
        raise PluginError(f"{reader}, cannot read {path}: {type(exc).__name__}: {first_line(exc)}") from exc
