"""Reading the variables of a checkpoint or a SavedModel, without running any of its graph."""

import pathlib
import re

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from deepsound.errors import NetworkUnavailableError, first_line

_OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"


def read_variables(prefix: pathlib.Path | str) -> dict[str, np.ndarray]:
    """All numeric variables of a TensorFlow checkpoint, in the order of their creation as far as it is known.

    Parameters
    ----------
    prefix : path
        What stands before ``.index`` (``saved_model/variables/variables``), or a checkpoint that is one file.

    Returns
    -------
    dict of str to np.ndarray
        By the variables' own names where the checkpoint keeps them, else by their keys.

    Raises
    ------
    NetworkUnavailableError
        If it cannot be read: damaged, half there, or no checkpoint.
    """
    try:
        reader = tf.compat.v1.train.NewCheckpointReader(str(prefix))
        keys = sorted(reader.get_variable_to_shape_map(), key=_natural_order)
        names = _own_names(reader, keys)
        arrays = {key: reader.get_tensor(key) for key in keys if key != _OBJECT_GRAPH_KEY}
    except Exception as exc:  # the C++ reader raises ValueError, RuntimeError and all of tf.errors
        raise NetworkUnavailableError(f"the checkpoint {prefix} cannot be read: {first_line(exc)}") from exc
    return {names.get(key, key): array for key, array in arrays.items() if isinstance(array, np.ndarray)}


def _natural_order(key: str) -> list[tuple[int, str]]:
    """``_variables/10`` after ``_variables/9``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", key)]


def _own_names(reader: "tf.compat.v1.train.NewCheckpointReader", keys: list[str]) -> dict[str, str]:
    if _OBJECT_GRAPH_KEY not in keys:
        return {}
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor(_OBJECT_GRAPH_KEY))
    attributes = [attribute for node in graph.nodes for attribute in node.attributes]
    names = {a.checkpoint_key: a.full_name for a in attributes if a.full_name}
    # Two variables of one name would hide each other; then the keys, which are unique, serve.
    return names if len(set(names.values())) == len(names) else {}
