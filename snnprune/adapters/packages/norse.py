"""norse's LIF neurons: no state inside, it is passed from step to step; cells of one step, and forms of all steps.

A neuron integrates, v' = v + dt/tau_mem (v_leak - v + i), fires where v' > v_th, and resets in the same step: v becomes
v_reset or, of a `LIFBoxCell` with `reset_subtract`, v' - v_th. So it is none of the library's own, which reset a step
later. v' is kept nowhere; a step with a threshold that nothing reaches resets nothing and returns it: that is how
`distances` finds it. Source: norse 1.1.0, torch/functional/lif.py, lif_box.py, and torch/module/snn.py.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from norse.torch import LIF, LIFBoxCell, LIFCell, LIFRecurrent, LIFRecurrentCell
from norse.torch.functional.threshold import threshold
from torch import Tensor, nn
from torch.nn import functional

from snnprune.adapters.packages.package import Package, Seen

RECURRENT = (LIFRecurrentCell, LIFRecurrent)
ALL_STEPS = (LIF, LIFRecurrent)
WEIGHTS = ("input_weights", "recurrent_weights")  # parameters of recurrent neurons
NEVER = torch.finfo(torch.float32).max  # a threshold


class Norse(Package):
    """`LIFBoxCell`, `LIFCell`, `LIFRecurrentCell`, and `LIF` and `LIFRecurrent`, which take all steps."""

    name = "norse"
    example = "norse.torch.LIFCell"

    def is_neuron(self, module: nn.Module) -> bool:
        """Those five."""
        return isinstance(module, (LIFBoxCell, LIFCell, *ALL_STEPS, *RECURRENT))

    def reset_states(self, net: nn.Module) -> None:
        """Nothing: a neuron called without a state is at rest."""

    @contextmanager
    def distances(self, neuron: nn.Module, seen: Seen) -> Iterator[None]:
        """See above: v' - v_th, of the potential before the step's reset."""
        own = neuron.activation

        def activation(given: Tensor, state: Any, *rest: Any) -> tuple[Tensor, Any]:
            *weights, p, dt = rest
            never = p._replace(v_th=torch.full_like(torch.as_tensor(p.v_th), NEVER))
            seen(own(given, state, *weights, never, dt)[1].v - p.v_th)
            return own(given, state, *rest)

        neuron.activation = activation
        try:
            yield
        finally:
            neuron.activation = own

    def surrogate(self, neuron: nn.Module, distance: Tensor) -> Tensor:
        """The `method` of the neuron's parameters."""
        return threshold(distance, neuron.p.method, neuron.p.alpha)

    def potential(self, neuron: nn.Module, output: Any) -> Tensor:
        """`v` of the state that it returned, after the step's reset."""
        return output[1].v

    @contextmanager
    def recording(self, neuron: nn.Module) -> Iterator[None]:
        """`record_states` of a neuron that takes all steps."""
        if not self.takes_all_steps(neuron):
            yield
            return
        before = neuron.record_states
        neuron.record_states = True
        try:
            yield
        finally:
            neuron.record_states = before

    def takes_all_steps(self, neuron: nn.Module) -> bool:
        """`LIF` and `LIFRecurrent`."""
        return isinstance(neuron, ALL_STEPS)

    def passes_state(self, net: nn.Module) -> bool:
        """As norse itself tells it, of `SequentialState` and a user's own modules: forward has a parameter `state`."""
        return "state" in inspect.signature(net.forward).parameters

    def prepare(self, net: nn.Module) -> None:
        """The weights of recurrent neurons become those of `Synapses`."""
        for neuron in [module for module in net.modules() if isinstance(module, RECURRENT)]:
            own = [name for name in WEIGHTS if isinstance(getattr(neuron, name), nn.Parameter)]
            for name in own:
                weight = getattr(neuron, name)
                delattr(neuron, name)
                setattr(neuron, name, Synapses(weight, diagonal=neuron.autapses or name == WEIGHTS[0]))
            if own:
                neuron.register_load_state_dict_pre_hook(_as_layers)


class Synapses(nn.Linear):
    """A weight [outputs, inputs] of a norse neuron as a layer, so that it can be pruned and its operations counted.

    It stands where the parameter was: `torch.nn.functional.linear(values, synapses)`, which norse calls, calls the
    layer, and in a state dict it has the parameter's name. diagonal: whether its diagonal is trained; norse's own hook
    on the parameter, for neurons without autapses, is lost in a copy.
    """

    def __init__(self, weight: nn.Parameter, diagonal: bool) -> None:
        super().__init__(weight.shape[1], weight.shape[0], bias=False, device="meta")
        self.weight, self.diagonal = weight, diagonal

    def forward(self, values: Tensor) -> Tensor:
        """values [B, inputs] to currents [B, outputs]."""
        if self.diagonal:
            return super().forward(values)
        fixed = torch.eye(len(self.weight), dtype=torch.bool, device=self.weight.device)
        return functional.linear(values, torch.where(fixed, self.weight.detach(), self.weight))

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """In `linear`, call the layer."""
        if function is functional.linear and isinstance(args[1], Synapses):
            return args[1](args[0])
        return NotImplemented

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        destination[prefix.removesuffix(".")] = self.weight if keep_vars else self.weight.detach()


def _as_layers(neuron: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Before a state is loaded: weights of `neuron` by the names that `Synapses` have as layers."""
    for name in WEIGHTS:
        if isinstance(getattr(neuron, name), Synapses) and f"{prefix}{name}" in state:
            state[f"{prefix}{name}.weight"] = state.pop(f"{prefix}{name}")


PACKAGE = Norse()
