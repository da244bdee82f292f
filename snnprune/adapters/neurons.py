"""snnTorch's neurons inside a network of any shape: their states, their reset, their surrogate derivative."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from snntorch import SpikingNeuron
from torch import Tensor, nn

from snnprune.core.errors import UserError
from snnprune.core.own_model import Reset

STATE_FUNCTIONS = {"subtract": "_base_sub", "zero": "_base_zero", "none": "_base_int"}  # of snnTorch's neurons
DELAYED = "reset_delay"  # an attribute of the neurons that know an immediate reset


def neurons_of(net: nn.Module) -> dict[str, SpikingNeuron]:
    """Name -> spiking neurons, in the order of the modules. Raises UserError: there are none."""
    found = {name: module for name, module in net.named_modules() if isinstance(module, SpikingNeuron)}
    if not found:
        raise UserError(
            f"{type(net).__name__}: no spiking neurons; expected some of snnTorch's, such as snntorch.Leaky"
        )
    return found


def reset_states(net: nn.Module) -> None:
    """Every neuron's state is zero and belongs to no graph. `snntorch.utils.reset` looks at a module's direct children
    alone; this finds neurons at any depth."""
    for module in net.modules():
        if isinstance(module, SpikingNeuron):
            module.reset_mem()


def set_reset(net: nn.Module, reset: Reset | None, reset_delay: bool | None) -> None:
    """Give all neurons another reset, and let it act a step later (snnTorch's default) or at once; None: as it is.
    Raises UserError: a neuron of this kind cannot reset at once."""
    for name, neuron in neurons_of(net).items():
        if reset is not None:
            neuron.reset_mechanism = reset
            neuron.state_function = getattr(neuron, STATE_FUNCTIONS[reset])
        if reset_delay is not None and hasattr(neuron, DELAYED):
            neuron.reset_delay = reset_delay
        elif reset_delay is False:
            raise UserError(
                f"{name}: reset_delay false is not possible; snntorch.{type(neuron).__name__} has no such reset"
            )


def reset_of(neuron: SpikingNeuron) -> Reset:
    """The reset that the neuron carries out; what a state dict says of it is another thing."""
    running = getattr(neuron.state_function, "__name__", None)
    return next((reset for reset, name in STATE_FUNCTIONS.items() if name == running), neuron.reset_mechanism)


@contextmanager
def watched(modules: dict[str, nn.Module], after: Callable[[str, nn.Module, Tensor, Any], None]) -> Iterator[None]:
    """While in here, `after(name, module, input, output)` is called after each call of one of the `modules`."""
    hooks = [
        module.register_forward_hook(lambda module, given, output, name=name: after(name, module, given[0], output))
        for name, module in modules.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def watched_membranes(
    neurons: dict[str, SpikingNeuron], seen: Callable[[str, SpikingNeuron, Tensor], None]
) -> Iterator[None]:
    """While in here, `seen(name, neuron, membrane)` is called with every membrane potential that is held against the
    threshold, before a reset at once."""

    def fire_of(name: str, neuron: SpikingNeuron) -> Callable[[Tensor], Tensor]:
        def fire(membrane: Tensor) -> Tensor:
            seen(name, neuron, membrane)
            return type(neuron).fire(neuron, membrane)

        return fire

    try:
        for name, neuron in neurons.items():
            neuron.fire = fire_of(name, neuron)
        yield
    finally:
        for neuron in neurons.values():
            vars(neuron).pop("fire", None)


def surrogate_derivative(neuron: SpikingNeuron, membrane: Tensor) -> Tensor:
    """The neuron's surrogate derivative at a membrane potential, in its shape. Raises UserError: it has none."""
    distance = (membrane - neuron.threshold).detach().requires_grad_()
    with torch.enable_grad():
        spikes = neuron.spike_grad(distance)
        if not spikes.requires_grad:
            raise UserError(
                f"snntorch.{type(neuron).__name__}: its surrogate gradient is switched off (surrogate_disable)"
            )
        return torch.autograd.grad(spikes.sum(), distance)[0]
