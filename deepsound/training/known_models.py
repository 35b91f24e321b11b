"""Which models are registered, looked up without importing MLflow, which takes longer than an answer should.

A sqlite store and a server are asked directly, any other store through MLflow. A look-up makes no store.
"""

import pathlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from deepsound.credentials import hide_credentials
from deepsound.documents import parse_json
from deepsound.errors import BundleError, TrackingError
from deepsound.training.mlflow_store import (
    describe_choice,
    registry_uri,
    short_patience,
    sqlite_path,
    tracking_errors,
)

_URI_SCHEMES = ("models:/", "runs:/", "mlflow-artifacts:/")
_N_NAMED = 10
_TIMEOUT_S = 5.0
_MAX_ANSWER_BYTES = 1 << 24
# As many as MLflow gives at a time.
_MAX_MODELS = 1000


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """A registered model: its newest version, and the versions that its aliases stand for."""

    name: str
    newest: int | None
    aliases: Mapping[str, int]

    def describe(self) -> str:
        """``deepsound-mfcc has champion (version 3), previous (version 2); its newest version is 4``."""
        if self.newest is None:
            return f"{self.name} has no version"
        named = [f"{alias} (version {version})" for alias, version in sorted(self.aliases.items())]
        return f"{self.name} has {', '.join(named) or 'no alias'}; its newest version is {self.newest}"


def find_models() -> dict[str, KnownModel]:
    """All registered models by name; none where there is no store yet.

    Raises TrackingError: the store cannot be read or reached.
    """
    uri = registry_uri()
    with tracking_errors(f"the MLflow store {uri}"):
        path = sqlite_path(uri)
        models = _ask_server(uri) or _ask_mlflow(uri) if path is None else _read_sqlite(path)
    return {model.name: model for model in sorted(models, key=lambda model: model.name)}


def is_mlflow_uri(model: str) -> bool:
    """Whether a MODEL argument is to be had from MLflow; else it is a folder."""
    return model.startswith(_URI_SCHEMES)


def check_model(model: str) -> None:
    """Refuse a MODEL argument that is no folder which is there, and nothing that is registered.

    Of a run (``runs:/...``) only MLflow can tell whether it has a model.

    Raises BundleError: there is no such folder; TrackingError: there is no such name, version or alias, with those
    that there are; or the store cannot be used.
    """
    if not is_mlflow_uri(model):
        if not pathlib.Path(model).is_dir():
            raise BundleError(
                f"there is no model at {model!r}; wanted a bundle directory or an MLflow URI such as "
                "models:/deepsound-mfcc@champion"
            )
        return
    if not model.startswith("models:/"):
        return
    name, at, alias = model.removeprefix("models:/").partition("@")
    name, _, version = name.partition("/")
    models = find_models()
    known = models.get(name)
    if known is None:
        names = ", ".join(list(models)[:_N_NAMED])
        there = f"registered are {names}" if models else "nothing is registered yet"
        raise TrackingError(hide_credentials(f"no model {name} in {registry_uri()}: {there}. {describe_choice()}"))
    if at and alias not in known.aliases:
        raise TrackingError(f"no alias {alias!r}; {known.describe()}")
    if version.isdecimal() and int(version) > (known.newest or 0):
        raise TrackingError(f"no version {version}; {known.describe()}")


def _read_sqlite(path: pathlib.Path) -> list[KnownModel]:
    if not (path.is_file() and path.stat().st_size):
        return []
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as store:
        newest = store.execute(
            "select m.name, max(v.version) from registered_models m left join model_versions v "
            "on v.name = m.name and v.current_stage != 'Deleted_Internal' group by m.name"
        ).fetchall()
        aliases: dict[str, dict[str, int]] = {name: {} for name, _ in newest}
        for name, alias, version in store.execute("select name, alias, version from registered_model_aliases"):
            aliases.setdefault(name, {})[alias] = int(version)
    return [KnownModel(name=name, newest=version, aliases=aliases[name]) for name, version in newest]


def _ask_server(uri: str) -> list[KnownModel]:
    """What a server says without credentials; nothing where it wants some, or is no MLflow server."""
    if not uri.startswith(("http://", "https://")):
        return []
    import urllib.request

    try:
        address = f"{uri.rstrip('/')}/api/2.0/mlflow/registered-models/search?max_results={_MAX_MODELS}"
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:
            page = parse_json(answer.read(_MAX_ANSWER_BYTES))
        return [
            _to_known(
                model["name"],
                versions=[version["version"] for version in model.get("latest_versions", ())],
                aliases={alias["alias"]: alias["version"] for alias in model.get("aliases", ())},
            )
            for model in page.get("registered_models", ())
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


def _ask_mlflow(uri: str) -> list[KnownModel]:
    import mlflow

    with short_patience():
        found = mlflow.MlflowClient(registry_uri=uri).search_registered_models(max_results=_MAX_MODELS)
    return [
        _to_known(model.name, versions=[v.version for v in model.latest_versions], aliases=model.aliases)
        for model in found
    ]


def _to_known(name: str, *, versions: Sequence[int | str], aliases: Mapping[str, int | str]) -> KnownModel:
    named = {alias: int(version) for alias, version in aliases.items()}
    newest = max([*map(int, versions), *named.values()], default=None)
    return KnownModel(name=name, newest=newest, aliases=named)
