"""Several heads as one."""

from collections.abc import Sequence

import keras
import numpy as np

from deepsound.errors import ParameterError


def average_heads(members: Sequence[keras.Model], *, temperatures: Sequence[float] | None = None) -> keras.Model:
    """One head whose logits are the mean of the members' logits, each divided by its temperature (1 without).

    Logits and not probabilities are averaged: of logarithms of probabilities the energy, an out-of-distribution
    score, is 0 for every segment. The penultimate numbers are those of all members, one after the other. Members
    of different kinds need temperatures: the one with the larger logits would else decide alone. A single member
    is returned as it is. Raises ParameterError if there is none.
    """
    if not members:
        raise ParameterError("an average needs at least one head")
    if len(members) == 1:
        return members[0]
    inputs = keras.Input(members[0].input_shape[1:], name="features")
    trunks = [
        keras.Model(member.input, member.get_layer("penultimate").output, name=f"member_{number}")
        for number, member in enumerate(members)
    ]
    penultimate = keras.layers.Concatenate(name="penultimate")([trunk(inputs) for trunk in trunks])
    last = keras.layers.Dense(members[0].output_shape[-1], name="logits")
    average = keras.Model(inputs, last(penultimate), name=members[0].name)
    kernels, biases = zip(*(member.get_layer("logits").get_weights() for member in members), strict=True)
    shares = 1 / (len(members) * np.asarray(temperatures or [1.0] * len(members)))
    kernel = np.concatenate([share * kernel for share, kernel in zip(shares, kernels, strict=True)])
    last.set_weights([kernel, shares @ np.stack(biases)])
    return average
