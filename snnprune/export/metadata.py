"""What a network's files must say besides weights, so that a reader in another tool feeds and reads it alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork

if TYPE_CHECKING:
    from snnprune.adapters.network import AdaptedNetwork


def metadata(network: "SpikingNetwork | AdaptedNetwork", classes: Sequence[str] = ()) -> dict[str, Any]:
    """Of a network, as plain values for JSON. classes: their names by label (none: their numbers). reset_delay: a
    spike's reset acts one step later, as `snntorch.Leaky` does by default. readout `count`: the class of the most
    output spikes, the first of several. names: parameters here -> in the state dict of a user's network. One that
    runs the user's own forward has its module in the place of layers and neurons. Raises UserError: as many names
    as classes are needed."""
    spec = network.spec
    is_own = not isinstance(network, SpikingNetwork)
    count = spec.classes if is_own else spec.architecture.classes
    names = list(classes) or [str(label) for label in range(count)]
    if len(names) != count:
        raise UserError(f"class names: expected {count}, one for each output neuron; found {len(names)}")
    if is_own:
        return {
            "timesteps": spec.timesteps,
            "encoding": spec.encoding.model_dump(),
            "normalize": None if spec.normalize is None else spec.normalize.model_dump(),
            "readout": spec.readout,
            "classes": names,
            "input_shape": list(spec.sample_shape),
            "module": network.source and network.source.module,
        }
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
        **({"names": dict(network.names)} if network.names else {}),
    }
