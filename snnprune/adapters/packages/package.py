"""What the library asks of the spiking neurons of another package (`Package`)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from torch import Tensor, nn

Seen = Callable[[Tensor], None]


class Package(ABC):
    """One package's spiking neurons: how they keep and are given states, and when they fire. `name` is the package's
    as its authors write it, `example` one kind of its neurons."""

    name: ClassVar[str]
    example: ClassVar[str]

    @abstractmethod
    def is_neuron(self, module: nn.Module) -> bool:
        """Whether a module of the package is a layer of spiking neurons. Its output, or the first of it, is spikes."""

    @abstractmethod
    def reset_states(self, net: nn.Module) -> None:
        """Every neuron's state inside `net` is as before the first step and belongs to no graph."""

    @abstractmethod
    def distances(self, neuron: nn.Module, seen: Seen) -> AbstractContextManager[None]:
        """While in here, `seen` is called at every step with the membrane potential minus the threshold, [B, ...], as
        the neuron is about to fire or not: before any reset of that step."""

    @abstractmethod
    def surrogate(self, neuron: nn.Module, distance: Tensor) -> Tensor:
        """Spikes at a distance from the threshold, with the neuron's surrogate gradient, if it has one."""

    @abstractmethod
    def potential(self, neuron: nn.Module, output: Any) -> Tensor:
        """The membrane potentials that the neuron has after a call that returned `output`: [B, ...], or of one that
        takes all steps [T, B, ...]."""

    def recording(self, neuron: nn.Module) -> AbstractContextManager[None]:
        """While in here, a neuron that takes all steps keeps the potentials of all of them."""
        return nullcontext()

    def takes_all_steps(self, neuron: nn.Module) -> bool:
        """Whether a call of the neuron is for all steps, [T, B, ...], rather than for one, [B, ...]."""
        return False

    def passes_state(self, net: nn.Module) -> bool:
        """Whether `net` is called with the states of the step before and returns (output, states)."""
        return False

    def prepare(self, net: nn.Module) -> None:
        """Make weights that are parameters of a neuron itself those of a layer, in `net`; its state dict stays."""
        return
