"""Inference alone, at a cost that follows the synapses that are left: `compile` makes of a network a form that holds
no zero, keeps no membrane and has no gradient."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from snnprune.core.encoding import analogue_steps
from snnprune.core.errors import UserError
from snnprune.core.fitting import require_network
from snnprune.core.lif import MultiStepLeaky, is_compiled
from snnprune.core.network import SpikingNetwork, encoded_input, run_fused
from snnprune.core.params import Frames, ModelParams
from snnprune.sparse.counts import LayerCounts, count_layer
from snnprune.sparse.event_stack import EventStack
from snnprune.sparse.events import EventLinear
from snnprune.sparse.linear import SparseLinear
from snnprune.sparse.stack import Layer, Stack

# Density up to which a layer is held and run sparse: in batches of 256 to 512 a dense layer of 784-256-128-10 is as
# fast from 0.47 to 0.6, one by one from 0.7. A small layer that follows sparse ones runs with them whatever its
# density: it costs less than going to torch and back.
SPARSE_UP_TO = 0.45
SMALL = 4096
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Modules:
    """Layers as they are, run by `run_fused`: convolutions, pooling, dense linear layers, whatever a net may have."""

    def __init__(self, layers: Sequence[tuple[int, nn.Module]]) -> None:
        """Copies of `layers`, each with its number in the network."""
        self.numbers = [number for number, _ in layers]
        self.layers = nn.Sequential(*(copy.deepcopy(layer) for _, layer in layers)).eval().requires_grad_(False)

    @property
    def nbytes(self) -> int:
        """Bytes of all parameters and buffers."""
        held = (*self.layers.parameters(), *self.layers.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    def __call__(self, values: Tensor, constant: bool, steps: int) -> Tensor:
        """Output [steps, B, ...] of values [steps, B, ...], or `constant` ones [B, ...]."""
        return run_fused(self.layers, values, steps, constant)

    def observe(
        self, values: Tensor, constant: bool, steps: int, analogue: Tensor | None = None
    ) -> tuple[Tensor, list[LayerCounts]]:
        """The same, and the counts of every layer with a weight; `analogue` is said of the first (`LayerCounts`)."""
        seen: list[tuple[nn.Module, Tensor, bool]] = []
        last = run_fused(self.layers, values, steps, constant, lambda *now: seen.append(now))
        outputs = [inputs for _, inputs, _ in seen[1:]] + [last]
        counts = []
        for index, (layer, inputs, is_constant) in enumerate(seen):
            if isinstance(layer, WEIGHTED):
                neurons = next(i for i in range(index, len(seen)) if isinstance(seen[i][0], MultiStepLeaky))
                name = f"layers.{self.numbers[index]}.weight"
                said = None if counts else analogue
                counts.append(count_layer(name, layer, inputs, is_constant, outputs[neurons], said))
        return last, counts


@dataclass(frozen=True)
class Compiled:
    """A network that only infers (`compile`). It holds copies of the weights: training the network changes nothing
    here."""

    spec: ModelParams
    parts: Sequence[Stack | Modules]

    @property
    def nbytes(self) -> int:
        """Bytes of weights, biases, indices and neurons' constants held."""
        return sum(part.nbytes for part in self.parts)

    def __call__(self, images: Tensor, seed: int | None = None) -> Tensor:
        """Spike counts [B, classes], 0..T each, of images [B, C, H, W] in 0..1 or frames [B, T, C, H, W]; else as
        `spikes`."""
        return self.spikes(images, seed=seed).sum(0)

    @torch.no_grad()
    def spikes(self, images: Tensor, steps: int | None = None, seed: int | None = None) -> Tensor:
        """Output spikes, time-major [steps, B, classes], as `SpikingNetwork.spikes` gives them in evaluation mode.

        images: float32 [B, C, H, W] in 0..1, or frames [B, T, C, H, W], float32 or uint8; on the CPU.
        steps: only these first ones of the T time steps are computed (None: all).
        seed: fixes a random encoding; without it the encoding draws from torch's global generator.
        Raises ValueError: `steps` is not within 1..T. Raises UserError: images that the network does not take.
        """
        values, steps, constant = self._input(images, steps, seed)
        for part in self.parts:
            values, constant = part(values, constant, steps), False
        return values

    @torch.no_grad()
    def observe(
        self, images: Tensor, steps: int | None = None, seed: int | None = None
    ) -> tuple[Tensor, list[LayerCounts]]:
        """The same spikes, and what every layer with a weight did for each sample, in the network's order, to the digit
        as `snnprune.energy.operations.observe_operations` counts it. Raises as `spikes`."""
        values, steps, constant = self._input(images, steps, seed)
        analogue: Tensor | None = analogue_steps(self.spec.encoding, values, constant, steps)
        counts: list[LayerCounts] = []
        for part in self.parts:
            values, found = part.observe(values, constant, steps, analogue)
            constant, analogue = False, None
            counts += found
        return values, counts

    def _input(self, images: Tensor, steps: int | None, seed: int | None) -> tuple[Tensor, int, bool]:
        counts = isinstance(self.spec.encoding, Frames) and images.dtype == torch.uint8
        if not is_compiled(images) and not (counts and images.device.type == "cpu"):
            raise UserError(f"images: expected float32 on the CPU; found {images.dtype} on {images.device}")
        return encoded_input(self.spec, images, steps, seed)


def compile(network: SpikingNetwork, *, threads: int = 1) -> Compiled:
    """The network as it is now, for inference alone, whose cost and memory follow the synapses that are not zero.

    Linear layers of at most 45 % of their synapses, with their neurons, become compiled loops; every other layer is
    copied and runs as in the network. Dropout is left out. Spikes are the network's own, except where another order of
    summation tips a membrane over its threshold.

    threads: among how many the compiled loops share out the samples, 64 at a time; the bytes are the same for any.
    Raises UserError: the network runs a forward of its own, or is not float32 on the CPU, or `threads` is below 1.

    >>> import snnprune
    >>> train = torch.rand(40, 1, 4, 4), torch.arange(40) % 2
    >>> pruned = snnprune.prune(snnprune.build([16, 8, 2]), train, level=0.8).network
    >>> compiled = compile(pruned)
    >>> torch.equal(compiled(train[0]), pruned(train[0]))
    True
    """
    require_network(network)
    if not isinstance(network, SpikingNetwork):
        raise UserError("compile: is for networks that are a plain sequence of layers; this one runs its own forward")
    for name, parameter in network.named_parameters():
        if not is_compiled(parameter):
            found = f"{parameter.dtype} on {parameter.device}"
            raise UserError(f"{name}: a compiled network is float32 on the CPU; found {found} (network.float().cpu())")
    if threads < 1:
        raise UserError(f"threads: at least 1; found {threads}")
    on_events = isinstance(network.spec.encoding, Frames)
    return Compiled(network.spec, _parts(list(network.layers), network.spec.timesteps, threads, on_events))


def fastest_form(network: SpikingNetwork) -> SpikingNetwork | Compiled:
    """The network compiled where that pays, otherwise itself (a net without a sparse layer, on a GPU, or float64)."""
    if not all(map(is_compiled, network.parameters())) or not any(map(_is_sparse, network.layers)):
        return network
    return compile(network)


def _parts(layers: Sequence[nn.Module], timesteps: int, threads: int, on_events: bool) -> list[Stack | Modules]:
    """Runs of sparse layers with their neurons as stacks, and what is between them."""

    def stack(found: Sequence[Layer]) -> Stack:
        kind = EventStack if on_events and not parts and len(found) > 1 else Stack
        return kind(found, timesteps, threads)

    parts: list[Stack | Modules] = []
    plain: list[tuple[int, nn.Module]] = []
    sparse: list[Layer] = []
    rest = [(number, layer) for number, layer in enumerate(layers) if not isinstance(layer, nn.Dropout)]
    while rest:
        flat = rest[1:] if isinstance(rest[0][1], nn.Flatten) else rest  # a stack flattens what it is given
        if _begins_with_sparse(flat, SMALL if sparse else 0) and not _awaits_neurons(plain):
            if plain:
                parts.append(Modules(plain))
                plain = []
            (number, linear), (_, neurons), *rest = flat
            sparse.append(Layer.of(f"layers.{number}.weight", linear, neurons.neurons()))
            continue
        if sparse:
            parts.append(stack(sparse))
            sparse = []
        first, *rest = rest
        plain.append(first)
    if sparse:
        parts.append(stack(sparse))
    return [*parts, Modules(plain)] if plain or not parts else parts


def _begins_with_sparse(layers: Sequence[tuple[int, nn.Module]], small: int) -> bool:
    """Whether a linear layer that is sparse, or has at most `small` weights, and its neurons come first."""
    return len(layers) > 1 and _is_sparse(layers[0][1], small) and isinstance(layers[1][1], MultiStepLeaky)


def _awaits_neurons(layers: Sequence[tuple[int, nn.Module]]) -> bool:
    """Whether the last weight's neurons are yet to come."""
    kinds = [isinstance(layer, MultiStepLeaky) for _, layer in layers if isinstance(layer, (*WEIGHTED, MultiStepLeaky))]
    return bool(kinds) and not kinds[-1]


def _is_sparse(layer: nn.Module, small: int = 0) -> bool:
    if type(layer) in (nn.Linear, EventLinear):
        return (
            layer.weight.numel() <= small or layer.weight.count_nonzero().item() <= SPARSE_UP_TO * layer.weight.numel()
        )
    return isinstance(layer, SparseLinear)
