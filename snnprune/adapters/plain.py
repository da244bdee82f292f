"""Finds a plain sequence of layers in a user's network, and makes it the library's own, which is faster.

Plain is a chain of Linear, Conv2d (square kernel, no padding), MaxPool2d, Flatten, Dropout and snntorch.Leaky as
`snnprune.core.architecture` has it, with one beta, threshold and surrogate for all neurons, none learned, a delayed
reset, and spike counts as readout. Everything else keeps the user's own forward; so do SpikingJelly's and norse's
neurons, which reset in the step in which they fire.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import snntorch
import torch
from torch import Tensor, nn

from snnprune.adapters.network import AdaptedNetwork
from snnprune.adapters.neurons import DELAYED, neurons_of, package_of, reset_of, watched
from snnprune.adapters.packages.snntorch import SnnTorch
from snnprune.core.architecture import Conv, Dense, MaxPool
from snnprune.core.errors import UserError
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, build_network, evaluating
from snnprune.core.params import Frames, ModelParams, Surrogate
from snnprune.core.schema import validate

DISTANCES = torch.linspace(-3, 3, 13, dtype=torch.float64)  # from the threshold, at which surrogates are compared
Names = dict[str, str]


class NotPlain(Exception):
    """The network keeps its own forward; says why."""


def as_plain(network: AdaptedNetwork, images: Tensor) -> tuple[SpikingNetwork, Names]:
    """The same network as a `SpikingNetwork` in evaluation mode, and its parameters' names -> those of the user's net.
    `images` [B, ...] are run through both. Raises NotPlain: it is no plain sequence, or a spike count differs."""
    if network.spec.readout != "count":
        raise NotPlain(f"its readout is {network.spec.readout}")
    if network.spec.normalize is not None:
        raise NotPlain("its images are normalised")
    packages = {package_of(neuron) for neuron in neurons_of(network).values()}
    if others := [package.name for package in packages if not isinstance(package, SnnTorch)]:
        raise NotPlain(f"its neurons are {' and '.join(sorted(others))}'s, which reset at once")
    if others := {type(neuron) for neuron in neurons_of(network).values()} - {snntorch.Leaky, MultiStepLeaky}:
        raise NotPlain(f"it has neurons {' and '.join(sorted(kind.__name__ for kind in others))}")
    modules = _chain(network, images[:2])
    with torch.random.fork_rng():  # building draws weights
        plain = build_network(_spec(network, [module for _, module in modules])).eval()
    names = _copy(modules, network.net, plain)
    with torch.no_grad(), evaluating(network):
        if not torch.equal(plain(images, seed=0), network(images, seed=0)):
            raise NotPlain("its spike counts are others")
    return plain, names


def surrogate_of(neuron: snntorch.Leaky) -> Surrogate:
    """The surrogate whose derivative the neuron's `spike_grad` has. Raises NotPlain: neither atan nor fast sigmoid."""
    distance = DISTANCES.clone().requires_grad_()
    spikes = neuron.spike_grad(distance)
    if not spikes.requires_grad:
        raise NotPlain("it has no surrogate gradient")
    (found,) = torch.autograd.grad(spikes.sum(), distance)
    at_zero, at_one = (found[at == DISTANCES].item() for at in (0, 1))
    atan, sigmoid = round(2 * at_zero, 9), round(at_one**-0.5 - 1, 9) if at_one > 0 else 0.0
    forms = (
        ("atan", atan, atan / 2 / (1 + (math.pi / 2 * atan * DISTANCES) ** 2)),
        ("fast_sigmoid", sigmoid, 1 / (sigmoid * DISTANCES.abs() + 1) ** 2),
    )
    for name, slope, derivative in forms:
        if slope > 0 and torch.allclose(found, derivative, rtol=1e-9):
            return Surrogate(name=name, slope=slope)
    raise NotPlain("its surrogate is neither atan nor fast sigmoid")


def _chain(network: AdaptedNetwork, images: Tensor) -> list[tuple[str, nn.Module]]:
    """The modules in the order of the first step, each called on what the one before gave. Raises NotPlain."""
    leaves = {name: module for name, module in network.net.named_modules() if not list(module.children())}
    calls: list[tuple[str, nn.Module, Tensor, Tensor]] = []

    def after(name: str, module: nn.Module, given: Tensor, output: Any) -> None:
        calls.append((name, module, given, output[0] if isinstance(output, tuple) else output))

    with torch.no_grad(), evaluating(network), watched(leaves, after):
        network(images, seed=0)
    seen: set[str] = set()
    chain = []
    for call in calls:
        if call[0] in seen:
            break
        seen.add(call[0])
        chain.append(call)
    if missing := [name for name in leaves if name not in seen and list(leaves[name].state_dict())]:
        raise NotPlain(f"{', '.join(missing)} is not called in the first step")
    for (before, _, _, gave), (name, _, took, _) in pairwise(chain):
        if gave.numel() != took.numel() or gave.data_ptr() != took.data_ptr():
            raise NotPlain(f"{name} takes something else than what {before} gave, such as a sum")
    return [(name, module) for name, module, _, _ in chain]


def _spec(network: AdaptedNetwork, modules: Sequence[nn.Module]) -> ModelParams:
    """Raises NotPlain: a module, an order of modules or a shape that the library's own networks do not have."""
    neurons = [module for module in modules if isinstance(module, snntorch.SpikingNeuron)]
    parts = [str(layer) for module in modules if (layer := _layer(module)) is not None]
    spec = network.spec
    shape = spec.sample_shape[1:] if isinstance(spec.encoding, Frames) else spec.sample_shape
    first = str(math.prod(shape)) if not isinstance(_first_weight(modules), nn.Conv2d) else "x".join(map(str, shape))
    found = {
        "layers": "-".join([first, *parts]),
        **_of_neurons(neurons),
        "timesteps": spec.timesteps,
        "encoding": spec.encoding,
        "dropout": _dropout(modules),
    }
    try:
        return validate(ModelParams, found, "model")
    except UserError as error:
        raise NotPlain(str(error)) from error


def _first_weight(modules: Sequence[nn.Module]) -> nn.Module | None:
    return next((module for module in modules if isinstance(module, nn.Linear | nn.Conv2d)), None)


def _layer(module: nn.Module) -> Conv | MaxPool | Dense | None:
    """What the module is in the notation of architectures; None: nothing there."""
    if type(module) is nn.Linear and module.bias is not None:
        return Dense(module.out_features)
    if type(module) is nn.Conv2d and module.bias is not None:
        kernel, stride = module.kernel_size, module.stride
        odd = (module.padding, module.dilation, module.groups) != ((0, 0), (1, 1), 1)
        if not odd and kernel[0] == kernel[1] and stride[0] == stride[1]:
            return Conv(module.out_channels, kernel[0], stride[0])
    if type(module) is nn.MaxPool2d:
        size = _square(module.kernel_size)
        same = (_square(module.stride), _square(module.padding), _square(module.dilation)) == (size, 0, 1)
        if size is not None and same and not module.ceil_mode:
            return MaxPool(size)
    if type(module) in (nn.Flatten, nn.Dropout, nn.Identity) or isinstance(module, snntorch.SpikingNeuron):
        return None
    raise NotPlain(f"it has a layer {module}")


def _square(size: int | tuple[int, ...]) -> int | None:
    """A side of pooling windows; None where they are no squares."""
    sides = {size} if isinstance(size, int) else set(size)
    return sides.pop() if len(sides) == 1 else None


def _of_neurons(neurons: Sequence[nn.Module]) -> dict[str, Any]:
    found = []
    for neuron in neurons:
        if list(neuron.parameters()):
            raise NotPlain("its neurons learn their constants")
        odd = neuron.state_quant or neuron.inhibition or not getattr(neuron, DELAYED)
        if odd or neuron.graded_spikes_factor.ne(1).any() or max(neuron.beta.numel(), neuron.threshold.numel()) > 1:
            raise NotPlain("its neurons are no plain Leaky")
        if (reset := reset_of(neuron)) == "none":
            raise NotPlain("its neurons do not reset")
        numbers = {"beta": neuron.beta.clamp(0, 1).item(), "threshold": neuron.threshold.item()}
        found.append({**numbers, "reset": reset, "surrogate": surrogate_of(neuron)})
    if any(one != found[0] for one in found):
        raise NotPlain("its neurons differ from layer to layer")
    return found[0]


def _dropout(modules: Sequence[nn.Module]) -> float:
    """The probability with which all hidden neurons are dropped, and nothing else is."""
    inner = [module for module in modules if not isinstance(module, nn.Flatten | nn.Identity)]
    after = [
        follower.p if isinstance(follower, nn.Dropout) else 0.0
        for module, follower in pairwise(inner)
        if isinstance(module, snntorch.SpikingNeuron)
    ]
    if sum(isinstance(module, nn.Dropout) for module in inner) != sum(p > 0 for p in after) or len({*after}) > 1:
        raise NotPlain("it drops other things than the spikes of every hidden layer")
    return after[0] if after else 0.0


def _copy(modules: Sequence[tuple[str, nn.Module]], net: nn.Module, plain: SpikingNetwork) -> Names:
    """Put the user's parameters into `plain`; its names -> the user's. Raises NotPlain: they do not fit."""
    theirs = [(name, module) for name, module in modules if isinstance(module, nn.Linear | nn.Conv2d)]
    ours = [(name, module) for name, module in plain.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    kinds = [_kind(module) for _, module in modules], [_kind(module) for module in plain.layers]
    if [kind for kind in kinds[0] if kind] != [kind for kind in kinds[1] if kind]:
        raise NotPlain("its layers come in another order")
    names = {
        f"{own}.{part}": f"{name}.{part}"
        for (own, _), (name, _) in zip(ours, theirs, strict=True)
        for part in ("weight", "bias")
    }
    if set(names.values()) != {name for name, _ in net.named_parameters()}:
        raise NotPlain("it has other parameters, or shares them")
    if any(plain.get_parameter(own).shape != net.get_parameter(name).shape for own, name in names.items()):
        raise NotPlain("something else than a module makes its values fewer or more")
    with torch.no_grad():
        for own, name in names.items():
            plain.get_parameter(own).copy_(net.get_parameter(name))
    return names


def _kind(module: nn.Module) -> type | None:
    kinds = (nn.Linear, nn.Conv2d, nn.MaxPool2d, snntorch.SpikingNeuron, nn.Dropout)
    return next((kind for kind in kinds if isinstance(module, kind)), None)
