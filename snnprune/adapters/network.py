"""A network of the user's own, run by its own forward, with what pruning asks of a network (`AdaptedNetwork`)."""

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from snnprune.adapters import operations
from snnprune.adapters.convention import Convention, call
from snnprune.adapters.neurons import PACKAGES, reset_states, watched_potentials
from snnprune.adapters.wiring import Wiring
from snnprune.core.checkpoint import trained_state
from snnprune.core.encoding import encode, is_constant
from snnprune.core.errors import UserError
from snnprune.core.own_model import Normalize, Readout, Reset
from snnprune.core.params import Encoding
from snnprune.sparse.counts import LayerCounts

Batches = Iterable[tuple[Tensor, Tensor]]
NET = "net."  # with which the names of all that is in it begin


@dataclass(frozen=True)
class Running:
    """How the network is run. sample_shape: of an image [C, H, W] or [N], or of frames [T, C, H, W]. readout: the class
    with the most spikes, or with the highest membrane potential of the last neurons, in the mean over the steps or at
    the last one. normalize: what is done to an image before it is encoded (None: nothing)."""

    timesteps: int
    encoding: Encoding
    readout: Readout
    convention: Convention
    sample_shape: tuple[int, ...]
    classes: int = 0
    normalize: Normalize | None = None

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether samples of this shape fit the network."""
        return shape == self.sample_shape


@dataclass(frozen=True)
class Source:
    """Where a network comes from: `module` (`snnprune.core.own_model.OwnModel`), the SHA-256 of its file, and the reset
    that its neurons were given (None: their own)."""

    module: str
    sha256: str
    reset: Reset | None
    reset_delay: bool | None


class AdaptedNetwork(nn.Module):
    """`net`, a user's module of spiking neurons and torch's layers, as the library's functions take a network.

    What they ask is `spec.timesteps` and `spec.encoding`; `forward`, the logits; `spikes`, of each step what it adds to
    the logits; the parameters by name; and `layers` and `reads_rows`, which say that nothing in it runs in the compiled
    forms of `snnprune.sparse`. `snnprune.core.network.SpikingNetwork` has the same.
    """

    layers: ClassVar[tuple[()]] = ()
    reads_rows: ClassVar[bool] = False
    wiring: Wiring  # given by `snnprune.adapters.adapt.adapt`
    source: Source | None = None  # given by `snnprune.adapters.own.bring`

    def __init__(self, net: nn.Module, spec: Running) -> None:
        super().__init__()
        self.net = net
        self.training = net.training
        self.spec = spec

    def __deepcopy__(self, memo: dict[int, Any]) -> "AdaptedNetwork":
        """Torch copies no tensor that belongs to a graph, such as states that a neuron keeps: they are copied alone."""
        for module in self.modules():
            for value in vars(module).values():
                held = value.values() if isinstance(value, dict) else value
                for tensor in held if isinstance(held, Iterable) and not isinstance(held, Tensor) else (held,):
                    if isinstance(tensor, Tensor) and not tensor.is_leaf:
                        memo[id(tensor)] = tensor.detach().clone()
        copied = memo[id(self)] = self.__new__(type(self))
        copied.__dict__ = copy.deepcopy(self.__dict__, memo)
        return copied

    def forward(self, images: Tensor, *, seed: int | None = None) -> Tensor:
        """The readout [B, classes], the logits: spike counts or membrane potentials."""
        return self.spikes(images, seed=seed).sum(0)

    def spikes(self, images: Tensor, *, steps: int | None = None, seed: int | None = None) -> Tensor:
        """What each step adds to the readout, time-major [steps, B, classes], so that the sum of the first t steps is
        the readout after t steps (mean-membrane: times t / T). Of a count these are the spikes. A network that sums up
        itself gives one step, [1, B, classes].

        images: [B, C, H, W], or frames [B, T, C, H, W]. steps: run only the first ones (None: all T). seed: fixes a
        random encoding, and what else is drawn on the way.
        Raises ValueError: `steps` is not within 1..T. Raises UserError: `steps` is less than T although the network's
        forward loops by itself.
        """
        spec = self.spec
        steps = spec.timesteps if steps is None else steps
        if not 1 <= steps <= spec.timesteps:
            raise ValueError(f"steps must be 1..{spec.timesteps}, the network's time steps; found {steps}")
        if steps < spec.timesteps and self.runs_whole:
            raise UserError(
                f"steps: found {steps}; the network's forward runs {spec.timesteps} steps of its own, and cannot be "
                "stopped from outside: let build() return a network of fewer"
            )
        given = images.clone() if spec.normalize is None else spec.normalize.of(images)  # forward may write into it
        encoded, constant = encode(given, spec.encoding, spec.timesteps, seed), is_constant(spec.encoding)
        last, reads = self.net.get_submodule(spec.convention.last), spec.readout != "count"
        watching = watched_potentials(last) if reads else nullcontext()
        try:
            with _drawing(seed, images.device), watching as potentials:
                found = call(self.net, spec.convention, encoded if constant else encoded[:steps], constant, steps)
        finally:
            reset_states(self.net)
        if not reads:
            return found[0]
        trace = torch.cat(potentials) if reads_neurons(found, potentials[-1][0]) else found[-1]
        return trace / spec.timesteps if spec.readout == "mean-membrane" else trace.diff(dim=0, prepend=trace[:1] * 0)

    @property
    def names(self) -> Mapping[str, str]:
        """The names of its parameters and buffers here -> in the user's state dict, in which the weight of a layer that
        was made for a neuron's parameter has that one's name."""
        stored = self.state_dict()
        names = {name: name.removeprefix(NET) for name in trained_state(self)}
        return {name: own if name in stored else own.removesuffix(".weight") for name, own in names.items()}

    @property
    def code(self) -> str:
        """The text of the user's own classes in it, but of those that have none, such as one typed at a prompt."""
        kinds = {type(module) for module in self.net.modules()}
        own = [kind for kind in kinds if kind.__module__.partition(".")[0] not in ("torch", *PACKAGES)]
        texts = []
        for kind in own:
            with suppress(OSError, TypeError):
                texts.append(inspect.getsource(kind))
        return "\n".join(sorted(texts))

    @property
    def constant(self) -> frozenset[str]:
        """Weights whose input is the same at every step."""
        return self.wiring.constant

    @property
    def runs_whole(self) -> bool:
        """Whether its forward loops over all T steps itself, so that it cannot be stopped on the way."""
        return self.spec.convention.time == "inside"

    def observe(
        self, images: Tensor, steps: int | None = None, *, seed: int | None = None
    ) -> tuple[Tensor, list[LayerCounts]]:
        """`spikes`, and what each layer did for it (`snnprune.adapters.operations.observe`)."""
        return operations.observe(self, images, steps, seed=seed)

    def watch_inputs(self, images: Tensor, seen: Callable[[str, nn.Module, Tensor, int], None], *, seed: int) -> None:
        """See `snnprune.adapters.operations.watch_inputs`."""
        operations.watch_inputs(self, images, seen, seed=seed)

    def membrane_criticality(self, batches: Batches, *, seed: int) -> dict[str, Tensor]:
        """See `snnprune.adapters.operations.membrane_criticality`."""
        return operations.membrane_criticality(self, batches, seed=seed)


def reads_neurons(found: list[Tensor], potential: Tensor) -> bool:
    """Whether a read-out of membrane potentials takes the last neurons' own `potential` [B, ...]: where forward returns
    one thing alone, of their shape, [T, B, classes]. Else it takes the last thing that forward returns."""
    return len(found) == 1 and found[0].shape[1:] == potential.shape


@contextmanager
def _drawing(seed: int | None, device: torch.device) -> Iterator[None]:
    """While in here torch's generators are seeded; they are put back. None: nothing happens."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
