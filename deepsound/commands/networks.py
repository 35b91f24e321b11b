"""Preparing networks from a command: TensorFlow, where it is needed at all, keeps its chatter to itself."""

import os
from collections.abc import Sequence

from deepsound.commands.running import muted_native_logs, say
from deepsound.networks.engine import NetworkFile
from deepsound.networks.prepare import prepare_networks as prepare


def prepare_networks(features: Sequence[str], *, network: str) -> tuple[NetworkFile, ...]:
    """The networks that these features need; see :func:`deepsound.networks.prepare.prepare_networks`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with muted_native_logs():
        return prepare(features, network=network, report=say)
