"""Which weights feed which neurons: read off the graph that autograd builds during one run, whatever the forward."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from snnprune.adapters.layout import Layout, by_step, layout_of
from snnprune.adapters.neurons import neurons_of, watched
from snnprune.core.encoding import is_constant
from snnprune.core.errors import UserError
from snnprune.core.network import evaluating
from snnprune.pruning.mask import prunable_weights

if TYPE_CHECKING:
    from snnprune.adapters.network import AdaptedNetwork


@dataclass(frozen=True)
class Wiring:
    """feeds: weight -> the neurons (a module's name) whose current it is part of, None for one that feeds none, such as
    a last layer without neurons. constant: weights whose input is the same at every step. layouts: weight -> how time
    and samples stand in its layer's input."""

    feeds: Mapping[str, str | None]
    constant: frozenset[str]
    layouts: Mapping[str, Layout]


def wiring_of(network: "AdaptedNetwork", images: Tensor) -> Wiring:
    """The wiring, from one run on some samples. Raises UserError: the gradient does not reach a weight, or a layer's
    weight is used without the layer being called, so that nothing can be measured of it."""
    weights, neurons, steps = prunable_weights(network), neurons_of(network), network.spec.timesteps
    images = images[:-1] if len(images) == steps else images  # or time and samples look alike
    layers = {name: network.get_submodule(name.removesuffix(".weight")) for name in weights}
    of_parameter = {id(weight): name for name, weight in weights.items()}
    inside = {name: owner for name in weights for owner in neurons if name.startswith(f"{owner}.")}
    spiked: dict[Any, str] = {}  # nodes of the graph that are neurons' outputs; kept, as identity is compared
    feeds: dict[str, str | None] = dict.fromkeys(weights) | inside
    inputs: dict[str, list[Tensor]] = {name: [] for name in weights}
    from_input = set(weights)
    layouts: dict[str, Layout] = {}

    def after_layer(name: str, _: Any, given: Tensor, output: Tensor) -> None:
        layouts[name] = layout_of(given.shape, steps, len(images))
        inputs[name].extend(by_step(given.detach(), layouts[name], len(images)))
        if any(node in spiked for node in _upstream(given.grad_fn, spiked)):
            from_input.discard(name)

    def after_neurons(name: str, _: Any, given: Tensor, output: Any) -> None:
        for node in _upstream(given.grad_fn, spiked):
            weight = of_parameter.get(id(getattr(node, "variable", None)))
            if weight is not None and feeds[weight] is None:
                feeds[weight] = name
        for tensor in _tensors(output):
            if tensor.grad_fn is not None:
                spiked[tensor.grad_fn] = name

    with evaluating(network), torch.enable_grad(), watched(layers, after_layer), watched(neurons, after_neurons):
        total = network(images, seed=0).sum()
    gradients = _gradients(total, weights)
    _require_all(weights, gradients, inputs)
    constant = is_constant(network.spec.encoding)
    return Wiring(
        feeds=feeds,
        constant=frozenset(name for name in from_input if constant and _are_equal(inputs[name])),
        layouts=layouts,
    )


def _tensors(output: Any) -> Iterator[Tensor]:
    """All tensors that a module returned, states inside tuples included."""
    if isinstance(output, Tensor):
        yield output
    for part in output if isinstance(output, tuple | list) else ():
        yield from _tensors(part)


def _upstream(node: Any, stops: Mapping[Any, str]) -> Iterator[Any]:
    """The nodes of autograd's graph from which `node` was computed, up to the outputs of neurons."""
    waiting, seen = [node], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        if node not in stops:
            waiting += [before for before, _ in node.next_functions]


def _gradients(total: Tensor, weights: Mapping[str, Tensor]) -> list[Tensor | None]:
    if frozen := [name for name, weight in weights.items() if not weight.requires_grad]:
        raise UserError(f"{_own(frozen)}: requires_grad is false; pruning needs their gradients: set it in build()")
    if not total.requires_grad:
        raise UserError("the network's output has no gradient; its forward must not detach it or run under no_grad")
    return list(torch.autograd.grad(total, list(weights.values()), allow_unused=True))


def _require_all(
    weights: Mapping[str, Tensor], gradients: list[Tensor | None], inputs: Mapping[str, list[Tensor]]
) -> None:
    if unused := [name for name, gradient in zip(weights, gradients, strict=True) if gradient is None]:
        raise UserError(
            f"{_own(unused)}: no gradient comes there from the output; take unused layers out of the network"
        )
    if uncalled := [name for name, seen in inputs.items() if not seen]:
        raise UserError(f"{_own(uncalled)}: forward uses the weight without calling its layer; call the layer")


def _are_equal(tensors: list[Tensor]) -> bool:
    return all(torch.equal(tensor, tensors[0]) for tensor in tensors[1:])


def _own(names: list[str]) -> str:
    return ", ".join(name.removeprefix("net.") for name in names)
