"""Which embedding the demo takes."""

from deepsound.api.networks import prepare_networks
from deepsound.console import say
from deepsound.errors import NetworkMismatchError, NetworkUnavailableError
from deepsound.networks.source import is_in_hub_cache, is_reachable

_WAIT_S = 3.0


def choose_embedding(*, network: str) -> str:
    """``vggish`` where its network can be had, else ``musicnn``; says which, and why.

    A TF-Hub handle counts when TF-Hub's cache has it or its host answers within three seconds. A network of the
    user's own, a path or a seed, is taken at its word: where it fails, that is an error.

    Raises
    ------
    NetworkUnavailableError, NetworkMismatchError
        Neither network can be had.
    """
    is_handle = "://" in network
    if is_handle and not is_in_hub_cache(network) and not is_reachable(network, timeout_s=_WAIT_S):
        reason = f"{network} is not in TF-Hub's cache and its host does not answer within {_WAIT_S:g} s"
    else:
        try:
            prepare_networks(("vggish",), network=network)
        except (NetworkUnavailableError, NetworkMismatchError) as exc:
            if not is_handle:
                raise
            reason = str(exc)
        else:
            say(f"embedding: VGGish from {network}")
            return "vggish"
    prepare_networks(("musicnn",), network=network)
    say(f"embedding: MusiCNN, as VGGish cannot be had ({reason})")
    return "musicnn"
