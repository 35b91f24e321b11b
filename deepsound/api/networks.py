"""Preparing the pretrained networks of features; TensorFlow, where it is needed, keeps its chatter to itself."""

from collections.abc import Sequence

from deepsound.console import say
from deepsound.native_logs import muted_native_logs
from deepsound.networks.engine import NetworkFile
from deepsound.networks.prepare import prepare_networks as prepare


def prepare_networks(features: Sequence[str], *, network: str) -> tuple[NetworkFile, ...]:
    """The networks that these features need; see :func:`deepsound.networks.prepare.prepare_networks`."""
    with muted_native_logs():
        return prepare(features, network=network, report=say)
