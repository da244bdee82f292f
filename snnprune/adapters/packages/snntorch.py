"""snnTorch's neurons: states inside or explicit, one step a call, a reset that can be changed from outside."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from snntorch import SpikingNeuron
from torch import Tensor, nn

from snnprune.adapters.packages.package import Package, Seen
from snnprune.core.own_model import Reset

STATE_FUNCTIONS = {"subtract": "_base_sub", "zero": "_base_zero", "none": "_base_int"}  # of snnTorch's neurons
DELAYED = "reset_delay"  # an attribute of the neurons that know an immediate reset


class SnnTorch(Package):
    """snnTorch, and `snnprune.nir.neurons`, which are built on it."""

    name = "snnTorch"
    example = "snntorch.Leaky"

    def is_neuron(self, module: nn.Module) -> bool:
        """`snntorch.SpikingNeuron` is what all have in common."""
        return isinstance(module, SpikingNeuron)

    def reset_states(self, net: nn.Module) -> None:
        """`snntorch.utils.reset` looks at a module's direct children alone; this finds neurons at any depth."""
        for module in net.modules():
            if isinstance(module, SpikingNeuron):
                module.reset_mem()

    @contextmanager
    def distances(self, neuron: SpikingNeuron, seen: Seen) -> Iterator[None]:
        """The neuron's `fire` gets the potential, whatever its reset: a delayed one acts before it, an immediate one
        after it."""

        def fire(membrane: Tensor) -> Tensor:
            seen(membrane - neuron.threshold)
            return type(neuron).fire(neuron, membrane)

        neuron.fire = fire
        try:
            yield
        finally:
            del neuron.fire

    def surrogate(self, neuron: SpikingNeuron, distance: Tensor) -> Tensor:
        """The neuron's `spike_grad`."""
        return neuron.spike_grad(distance)

    def potential(self, neuron: SpikingNeuron, output: Any) -> Tensor:
        """The neuron's `mem`; of `snnprune.nir.neurons`, which keep no state, the one that they return."""
        return neuron.mem if hasattr(neuron, "mem") else output[1]


def reset_of(neuron: SpikingNeuron) -> Reset:
    """The reset that the neuron carries out; what a state dict says of it is another thing."""
    running = getattr(neuron.state_function, "__name__", None)
    return next((reset for reset, name in STATE_FUNCTIONS.items() if name == running), neuron.reset_mechanism)


PACKAGE = SnnTorch()
