"""The built-in sample collection: synthetic music-like clips, composed here, so that everything can be tried.

Nothing of it is a recording, and no figure reached on it says anything about real music.
"""

from deepsound.sample.collection import SampleTrack, compose_collection, compose_ood_collection

__all__ = ["SampleTrack", "compose_collection", "compose_ood_collection"]
