"""SpikingJelly's neurons: states inside, one step a call (step_mode "s") or all steps (step_mode "m").

A neuron charges, h = f(v, x), fires where h >= v_threshold, and resets in the same step: v = h - v_threshold (v_reset
None) or v = v_reset. So it is none of the library's own, which fire above the threshold and reset a step later. h is
kept nowhere, and the compiled forms of the package compute a built-in surrogate themselves; given a surrogate that they
do not know they run in plain torch and call it with h - v_threshold, at each step. That is where `distances` listens.
Source: spikingjelly 2.0.0, activation_based/neuron/base_node.py and activation_based/functional/neuron.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spikingjelly.activation_based.functional import reset_net
from spikingjelly.activation_based.neuron import BaseNode, SimpleBaseNode
from torch import Tensor, nn

from snnprune.adapters.packages.package import Package, Seen


class SpikingJelly(Package):
    """`IFNode`, `LIFNode`, `ParametricLIFNode` and the others that are a `BaseNode`."""

    name = "SpikingJelly"
    example = "spikingjelly.activation_based.neuron.LIFNode"

    def is_neuron(self, module: nn.Module) -> bool:
        """`BaseNode`, or `SimpleBaseNode` of a user's own equations."""
        return isinstance(module, BaseNode | SimpleBaseNode)

    def reset_states(self, net: nn.Module) -> None:
        """The package's own `reset_net`: neurons, dropout masks, recurrent containers."""
        reset_net(net)

    @contextmanager
    def distances(self, neuron: BaseNode | SimpleBaseNode, seen: Seen) -> Iterator[None]:
        """See above: h - v_threshold, of the charge before the step's reset."""
        own = neuron.surrogate_function
        neuron.surrogate_function = _Listening(own, seen)
        try:
            yield
        finally:
            neuron.surrogate_function = own

    def surrogate(self, neuron: BaseNode | SimpleBaseNode, distance: Tensor) -> Tensor:
        """The neuron's `surrogate_function`, its own also inside `distances`."""
        function = neuron.surrogate_function
        return (function.own if isinstance(function, _Listening) else function)(distance)

    def potential(self, neuron: BaseNode | SimpleBaseNode, output: Any) -> Tensor:
        """`v`, after the step's reset, as a script of the package's users reads it; of all steps `v_seq`."""
        return neuron.v_seq if self.takes_all_steps(neuron) else neuron.v

    @contextmanager
    def recording(self, neuron: BaseNode | SimpleBaseNode) -> Iterator[None]:
        """`store_v_seq` of a neuron that takes all steps."""
        if not self.takes_all_steps(neuron):
            yield
            return
        before = neuron.store_v_seq
        neuron.store_v_seq = True
        try:
            yield
        finally:
            neuron.store_v_seq = before

    def takes_all_steps(self, neuron: BaseNode | SimpleBaseNode) -> bool:
        """In step_mode "m"."""
        return neuron.step_mode == "m"


class _Listening(nn.Module):
    """A neuron's surrogate that tells what it is given."""

    def __init__(self, own: nn.Module, seen: Seen) -> None:
        super().__init__()
        self.own, self.seen = own, seen

    def forward(self, distance: Tensor) -> Tensor:
        self.seen(distance)
        return self.own(distance)


PACKAGE = SpikingJelly()
