"""A feed-forward spiking network: a plain sequence of torch and snnTorch modules, run over time in one pass."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from snnprune.core.architecture import Dense
from snnprune.core.encoding import encode, is_constant
from snnprune.core.errors import UserError
from snnprune.core.fitting import kind_of
from snnprune.core.lif import MultiStepLeaky, is_compiled
from snnprune.core.own_model import Normalize
from snnprune.core.params import Frames, ModelParams
from snnprune.sparse.events import EventLinear
from snnprune.sparse.linear import SparseLinear, linear_in_rows, product_in_rows
from snnprune.sparse.spikes import OUTPUTS_FROM

ROWS_FROM = 16  # samples from which loops over a neuron's values are faster than loops over a sample's
Observe = Callable[[nn.Module, Tensor, bool], None]


class MultiStepDropout(nn.Dropout):
    """`torch.nn.Dropout` of spiking neurons over all T steps at once; on one step it is plain torch. One draw a neuron
    and sample instead of T keeps a dropped neuron silent (as SpikingJelly's multi-step Dropout does) and saves most of
    the time that drawing T masks takes. The neurons before it drop their own spikes (`MultiStepLeaky.multi_step`)."""

    @property
    def probability(self) -> float:
        """Of a neuron to be dropped, 0 in evaluation mode."""
        return self.p if self.training else 0.0


@dataclass(frozen=True)
class Origin:
    """A network of the user's own that was a plain sequence. names: parameters here -> in the user's state dict.
    rest: what else is in that, such as the neurons' constants, by the user's names. normalize: what is done to images
    of 0..1 before the network takes them (None: nothing)."""

    names: Mapping[str, str]
    rest: Mapping[str, Tensor]
    normalize: Normalize | None = None


class SpikingNetwork(nn.Module):
    """Encoding, a sequence of layers, and the readout (spike counts over time). `layers` may hold any module: a
    `MultiStepLeaky` runs over time, every other one acts on each step alike. So another architecture is another
    sequence, and nothing outside this package needs to know. `origin`: the user's network that it was (None: none)."""

    def __init__(self, spec: ModelParams, layers: Iterable[nn.Module], origin: Origin | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.Sequential(*layers)
        self.origin = origin

    @property
    def names(self) -> Mapping[str, str]:
        """Parameters here -> in the user's own state dict; empty where there is none."""
        return self.origin.names if self.origin else {}

    @property
    def normalize(self) -> Normalize | None:
        """What is done to images before it takes them, where it was the user's own; None: nothing."""
        return self.origin.normalize if self.origin else None

    @property
    def header(self) -> dict[str, str]:
        """What rebuilds it, beside its tensors (`snnprune.core.checkpoint`): one key, for safetensors promises no order
        of several."""
        if self.origin is None:
            return {"model": self.spec.model_dump_json()}
        about = {"model": self.spec.model_dump(), "names": dict(self.names)}
        done = {} if self.normalize is None else {"normalize": self.normalize.model_dump()}
        return {"plain": json.dumps(about | done)}

    @property
    def reads_rows(self) -> bool:
        """Whether its first layer wants a pixel's values of all samples side by side."""
        return isinstance(
            next((layer for layer in self.layers if not isinstance(layer, nn.Flatten)), None), SparseLinear
        )

    def spikes(
        self, images: Tensor, *, steps: int | None = None, seed: int | None = None, observe: Observe | None = None
    ) -> Tensor:
        """Output spikes, time-major [steps, B, classes], for images [B, C, H, W] in 0..1, or for frames [B, T, C, H, W]
        (counts of events, uint8 too) where that is the encoding; of the type of the network's parameters.

        steps: only these first ones of the T time steps are computed (None: all). The encoding is drawn for all T and
            cut, so that a shorter run sees the beginning of the same input (latency coding places its spikes by T).
        seed: fixes a random encoding; without it the encoding draws from torch's global generator.
        observe: called with every layer's input on the way (see `run_fused`).
        Raises ValueError: `steps` is not within 1..T. Raises UserError: frames that do not fit the network.
        """
        if images.dtype == torch.uint8 and kind_of(self) != torch.float32:
            images = images.to(kind_of(self))
        return run_fused(self.layers, *encoded_input(self.spec, images, steps, seed), observe)

    def forward(self, images: Tensor, *, seed: int | None = None) -> Tensor:
        """Spike counts [B, classes], 0..T each: the logits of the readout."""
        return self.spikes(images, seed=seed).sum(0)


def encoded_input(spec: ModelParams, images: Tensor, steps: int | None, seed: int | None) -> tuple[Tensor, int, bool]:
    """What goes into the first layer, the number of steps, and whether it is the same at each: see `spikes`."""
    steps = spec.timesteps if steps is None else steps
    if not 1 <= steps <= spec.timesteps:
        raise ValueError(f"steps must be 1..{spec.timesteps}, the network's time steps; found {steps}")
    if isinstance(spec.encoding, Frames) and not spec.takes(tuple(images.shape[1:])):
        takes = ", ".join(map(str, ("B", *spec.sample_shape)))
        raise UserError(f"frames: the network takes [{takes}]; found {list(images.shape)}")
    encoded, constant = encode(images, spec.encoding, spec.timesteps, seed), is_constant(spec.encoding)
    return encoded if constant else encoded[:steps], steps, constant


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Puts the network into evaluation mode, and back into the mode it had."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def build_network(spec: ModelParams) -> SpikingNetwork:
    """A network with freshly drawn weights (from torch's global generator), after the `model` block. Every convolution
    or dense layer feeds spiking neurons; max-pooling after a convolution pools its current, as in snnTorch's tutorial
    6."""
    architecture = spec.architecture
    modules: list[nn.Module] = []
    shape, flat = architecture.input_shape, False
    followers = (*architecture.layers[1:], None)
    on_events = isinstance(spec.encoding, Frames)
    for layer, follower, output_shape in zip(architecture.layers, followers, architecture.shapes, strict=True):
        if layer.flat and not flat:
            modules.append(nn.Flatten())
            flat = True
        of_events = on_events and isinstance(layer, Dense)
        modules.append(EventLinear(math.prod(shape), layer.neurons) if of_events else layer.module(shape))
        on_events = False
        if follower is None or not follower.pools:
            modules.append(MultiStepLeaky(spec.beta, spec.threshold, spec.reset, spec.surrogate))
            if spec.dropout > 0 and follower is not None:
                modules.append(MultiStepDropout(spec.dropout))
        shape = output_shape
    return SpikingNetwork(spec, modules)


def run_fused(
    layers: nn.Sequential, values: Tensor, steps: int, constant: bool, observe: Observe | None = None
) -> Tensor:
    """Output [T, B, ...] of the layers for an input [T, B, ...], or for a `constant` one [B, ...]. Each layer sees all
    steps at once; a constant input stays one step long up to the first spiking layer. Between linear layers values lie
    in rows (`snnprune.sparse.lif`), and the neurons add the bias, which is faster; in training, neurons and the linear
    layer that they feed are one function (`MultiStepLeaky.multi_step_into`). Before a layer runs, `observe` is called
    with it, its input (that of neurons with the bias), and whether it is constant [B, ...], not [T, B, ...]."""
    bias: Tensor | None = None
    done: nn.Module | None = None  # has been computed with the neurons before it
    every = list(layers)
    fuses = observe is None and layers.training and torch.is_grad_enabled()
    for index, (before, layer, follower) in enumerate(zip((None, *every[:-1]), every, (*every[1:], None), strict=True)):
        if observe is not None:
            observe(layer, values, constant)
        if isinstance(layer, MultiStepLeaky):
            drop = follower.probability if isinstance(follower, MultiStepDropout) else 0.0
            done = _fed_by_spikes(every[index:]) if fuses and _is_batch(values) else None
            if done is None:
                values = layer.multi_step(values, steps if constant else None, drop, bias)
            else:
                values = layer.multi_step_into(done, values, steps if constant else None, drop, bias)
            constant, bias = False, None
        elif layer is done or (isinstance(layer, MultiStepDropout) and isinstance(before, MultiStepLeaky)):
            continue  # it has happened
        elif type(layer) is nn.Linear and is_compiled(values) and values.shape[-2] >= ROWS_FROM:
            if fuses and type(_fed_by_spikes(every[index + 1 :])) is nn.Linear and _is_batch(values):
                values = layer(values)
            elif observe is None and isinstance(follower, MultiStepLeaky):
                values, bias = product_in_rows(layer, values), layer.bias
            else:
                values = linear_in_rows(layer, values)
        elif constant or isinstance(layer, SparseLinear | EventLinear):
            values = layer(values)
        else:
            values = layer(values.flatten(0, 1)).unflatten(0, (steps, -1))
    return values.expand(steps, *values.shape) if constant else values


def _fed_by_spikes(layers: Sequence[nn.Module]) -> nn.Linear | SparseLinear | None:
    """The layer that neurons, the first of `layers`, feed, through dropout at most, where both are one function in
    training: a sparse one, or a dense one if its outputs are enough."""
    fed = next((layer for layer in layers[1:] if not isinstance(layer, MultiStepDropout)), None)
    if not layers or not isinstance(layers[0], MultiStepLeaky):
        return None
    if isinstance(fed, SparseLinear):
        return fed
    if type(fed) is not nn.Linear or fed.out_features < OUTPUTS_FROM or not layers[0].neurons().are_alike:
        return None
    return fed if fed.in_features > 1 else None  # a lone neuron's values lie in rows, whatever is done


def _is_batch(values: Tensor) -> bool:
    """Whether the compiled loops take values [B, N], or [T, B, N], and gain by it."""
    return is_compiled(values) and values.dim() in (2, 3) and values.shape[-2] >= ROWS_FROM
