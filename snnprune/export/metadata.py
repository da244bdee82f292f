"""What a network's files must say besides weights, so that a reader in another tool feeds and reads it alike."""

from collections.abc import Sequence
from typing import Any

from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork


def metadata(network: SpikingNetwork, classes: Sequence[str] = ()) -> dict[str, Any]:
    """Of a network, as plain values for JSON. classes: their names by label (none: their numbers). reset_delay: a
    spike's reset acts one step later, as `snntorch.Leaky` does by default. readout `count`: the class of the most
    output spikes, the first of several. Raises UserError: as many names as classes are needed."""
    spec = network.spec
    count = spec.architecture.classes
    names = list(classes) or [str(label) for label in range(count)]
    if len(names) != count:
        raise UserError(f"class names: expected {count}, one for each output neuron; found {len(names)}")
    return {
        "timesteps": spec.timesteps,
        "encoding": spec.encoding.model_dump(),
        "reset": spec.reset,
        "reset_delay": True,
        "readout": "count",
        "beta": spec.beta,
        "threshold": spec.threshold,
        "classes": names,
        "input_shape": list(spec.architecture.input_shape),
        "model": spec.model_dump(),
    }
