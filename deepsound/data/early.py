"""Paths of this machine that are wrong, told before an engine is started: it takes a minute to say the same."""

import pathlib
import re

from deepsound.errors import BundleError, InputError, LabelError, LabelMapError
from deepsound.label_maps import builtin_label_maps, missing_label_map

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def is_missing(path: str) -> bool:
    """Whether a path is of this machine, and nothing is there; what lies elsewhere is for the engine to find."""
    scheme = _SCHEME.match(path)
    if scheme is not None and scheme[1].lower() != "file":
        return False
    plain = path.removeprefix("file://").removeprefix("file:") if scheme else path
    return not (pathlib.Path(plain).exists() or pathlib.Path(path).exists())


def check_input(path: str, *, what: str) -> None:
    """Refuse an input that is not there; ``what`` is wanted instead, for people. Raises InputError."""
    if is_missing(path):
        raise InputError(f"the input {path} does not exist; wanted {what}")


def check_label_csv(path: str | None) -> None:
    """Refuse a label CSV that is not there. Raises LabelError."""
    if path is not None and is_missing(path):
        raise LabelError(f"the label file {path} does not exist")


def check_label_map(name: str | None) -> None:
    """Refuse a label map that is neither built in nor a file that is there. Raises LabelMapError."""
    if name is not None and name not in builtin_label_maps() and is_missing(name):
        raise LabelMapError(missing_label_map(name))


def is_mlflow_uri(model: str) -> bool:
    """Whether a MODEL argument is to be had from MLflow; else it is a folder."""
    return model.startswith(("models:/", "runs:/", "mlflow-artifacts:/"))


def check_model(model: str) -> None:
    """Refuse a model that is neither a URI of MLflow nor a folder that is there. Raises BundleError."""
    if not is_mlflow_uri(model) and not pathlib.Path(model).is_dir():
        raise BundleError(
            f"there is no model at {model!r}; wanted a bundle directory or an MLflow URI such as "
            "models:/deepsound-mfcc@champion"
        )
