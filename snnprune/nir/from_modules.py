"""Layers of torch and snnTorch as a NIR graph."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import snntorch
import torch
from torch import Tensor, nn

from snnprune.adapters.simplify import NORMS, WEIGHTED, fused
from snnprune.adapters.step_neurons import StepNeurons, step_neurons
from snnprune.core.errors import UserError
from snnprune.nir.network import Edge
from snnprune.nir.nodes import DT
from snnprune.nir.package import NirError, load_nir

INPUT, OUTPUT = "input", "output"
PASSED = (nn.Dropout, nn.Identity)
RESETS = ("subtract", "zero")
ALLOWED = (
    "Linear, Conv1d, Conv2d, BatchNorm right after one of them, AvgPool2d (not MaxPool2d), Flatten, Dropout, and "
    "snnTorch's Leaky, Synaptic, RLeaky and RSynaptic that reset to zero or by subtraction"
)


def sequence_edges(names: Sequence[str]) -> list[Edge]:
    """The edges of layers that follow one another."""
    return list(zip((INPUT, *names), (*names, OUTPUT), strict=True))


def graph_of(
    modules: Mapping[str, nn.Module | StepNeurons], edges: Sequence[Edge], input_shape: Sequence[int], dt: float = DT
) -> Any:
    """The `nir.NIRGraph` of modules as they are in evaluation mode, for steps of `dt` seconds.

    modules: by name, each after those that it reads, but for recurrent weights, which come after their neurons.
    edges: (source, target); what a module reads is added up, so that a residual sum is two edges. The ends are called
        `input` and `output`. input_shape: of a sample at one step.
    Neurons say in their node's metadata what their `reset` is and whether it acts one step later (`reset_delay`); NIR
    itself knows only a reset at once, to v_reset (0 here). Neurons that give their membrane potential are LI or CubaLI
    without a reset; with one their metadata say so (`gives`), as NIR has no such node. Normalisation is folded into the
    weights before it.
    Raises NirError: a module that NIR cannot express; names it and says what is allowed.
    """
    nir = load_nir()
    modules, edges = _folded(modules, edges)
    modules, edges = _without(modules, edges)
    values = {INPUT: torch.zeros(1, *input_shape)}
    nodes: dict[str, Any] = {INPUT: nir.Input(input_type=np.array(input_shape))}
    for name, module in modules.items():
        sources = [source for source, target in edges if target == name]
        if len(set(sources)) < len(sources):
            raise NirError(f"{name}: reads {', '.join(sources)}; NIR cannot add up a node's values twice")
        known = [values[source] for source in sources if source in values]
        total = sum(known[1:], known[0])
        nodes[name], values[name] = _node(nir, name, module, total, dt)
    last = [source for source, target in edges if target == OUTPUT]
    nodes[OUTPUT] = nir.Output(output_type=np.array(values[last[0]].shape[1:]))
    return nir.NIRGraph(nodes=nodes, edges=list(edges), metadata={})


def _node(nir: Any, name: str, module: nn.Module, values: Tensor, dt: float) -> tuple[Any, Tensor]:
    """A module's node, and what it gives for `values` [1, ...], of which only the shape matters."""
    for kind, node in KINDS.items():
        if isinstance(module, kind):
            try:
                made = node(nir, module, tuple(values.shape[1:]), dt)
            except ValueError as error:
                raise NirError(f"{name} ({type(module).__name__}): {error}") from error
            fires = isinstance(module, snntorch.Leaky | StepNeurons)
            return made, values if fires else module.eval()(values).detach()
    raise NirError(f"{name}: NIR cannot express {type(module).__name__}; allowed are {ALLOWED}")


def _affine(nir: Any, linear: nn.Linear, *_: Any) -> Any:
    if linear.bias is None:
        return nir.Linear(weight=_array(linear.weight))
    return nir.Affine(weight=_array(linear.weight), bias=_array(linear.bias))


def _convolution(nir: Any, conv: nn.Conv1d | nn.Conv2d, shape: tuple[int, ...], _: float) -> Any:
    if conv.padding_mode != "zeros":
        raise ValueError(f"found padding_mode {conv.padding_mode}; allowed is zeros")
    if conv.groups != 1 or len({*conv.kernel_size}) != 1:
        raise ValueError("found groups or a kernel that is not square, of which nir computes wrong shapes")
    bias = np.zeros(len(conv.weight), np.float32) if conv.bias is None else _array(conv.bias)
    flat = isinstance(conv, nn.Conv1d)
    options = {
        key: value if isinstance(value, str) else int(value[0]) if flat else np.array(value)
        for key, value in {"stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation}.items()
    }
    size = shape[1] if flat else np.array(shape[1:])
    kind = nir.Conv1d if flat else nir.Conv2d
    return kind(input_shape=size, weight=_array(conv.weight), groups=1, bias=bias, **options)


def _flatten(nir: Any, flatten: nn.Flatten, shape: tuple[int, ...], _: float) -> Any:
    start, end = (axis - (axis >= 0) for axis in (flatten.start_dim, flatten.end_dim))  # NIR leaves the batch out
    return nir.Flatten(input_type=np.array(shape), start_dim=start, end_dim=end)


def _pool(nir: Any, pool: nn.AvgPool2d, *_: Any) -> Any:
    if pool.ceil_mode or not pool.count_include_pad or pool.divisor_override not in (None, 1):
        raise ValueError("allowed are ceil_mode False, count_include_pad True and divisor_override 1 or None")
    kind = nir.AvgPool2d if pool.divisor_override is None else nir.SumPool2d
    return kind(*(np.broadcast_to(size, 2).copy() for size in (pool.kernel_size, pool.stride, pool.padding)))


def _leaky(nir: Any, leaky: snntorch.Leaky, shape: tuple[int, ...], dt: float) -> Any:
    try:
        neurons = step_neurons("neurons", leaky, shape)
    except UserError as error:
        raise ValueError(str(error)) from error
    return _neurons(nir, neurons, shape, dt)


def _neurons(nir: Any, neurons: StepNeurons, shape: tuple[int, ...], dt: float) -> Any:
    reset = "zero" if neurons.reset == "whole" and not neurons.delayed else neurons.reset
    integrates = reset == "none" and neurons.gives == "potential"
    if reset not in RESETS and not integrates:
        found = "to zero, the new current too" if reset == "whole" else reset
        raise ValueError(f"allowed is a reset {' or '.join(RESETS)}, or none where potentials are read; found {found}")
    beta, threshold = (np.broadcast_to(each.astype(float), shape).copy() for each in (neurons.beta, neurons.threshold))
    metadata = {"reset": reset, "reset_delay": neurons.delayed}
    metadata |= {"gives": "potential"} if neurons.gives == "potential" else {}
    rest = {} if integrates else {"v_threshold": threshold, "v_reset": np.zeros(shape), "metadata": metadata}
    if neurons.alpha is not None:
        alpha = np.broadcast_to(neurons.alpha.astype(float), shape)
        if (alpha == 1).any() or (beta == 1).any():
            raise ValueError("alpha or beta is 1; allowed with a synapse is less")
        synapse, membrane = dt / (1 - alpha), dt / (1 - beta)
        kind = nir.CubaLI if integrates else nir.CubaLIF
        return kind(
            tau_syn=synapse, tau_mem=membrane, r=membrane / dt, v_leak=np.zeros(shape), w_in=synapse / dt, **rest
        )
    if integrates and (beta == 1).any():
        raise ValueError("beta is 1; allowed without a reset is less")
    if (beta == 1).all():
        return nir.IF(r=np.full(shape, 1 / dt), **rest)
    if (beta == 1).any():
        raise ValueError("beta is 1 for some neurons only; allowed are all (IF) or none (LIF)")
    tau = dt / (1 - beta)
    return (nir.LI if integrates else nir.LIF)(tau=tau, r=tau / dt, v_leak=np.zeros(shape), **rest)


KINDS: Mapping[type[nn.Module], Callable[..., Any]] = {
    nn.Linear: _affine,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.Flatten: _flatten,
    nn.AvgPool2d: _pool,
    snntorch.Leaky: _leaky,
    StepNeurons: _neurons,
}


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()


def _folded(modules: Mapping[str, nn.Module], edges: Sequence[Edge]) -> tuple[dict[str, nn.Module], Sequence[Edge]]:
    """With every normalisation folded into the weights that it alone reads."""
    found = dict(modules)
    for name, module in modules.items():
        if not isinstance(module, NORMS):
            continue
        sources = [source for source, target in edges if target == name]
        followers = [target for source, target in edges if source in sources]
        before = found.get(sources[0])
        if len(sources) != 1 or followers != [name] or not isinstance(before, WEIGHTED):
            raise NirError(f"{name}: {type(module).__name__}; allowed is one right after Linear or Conv")
        found[sources[0]] = fused(before, module)
        found[name] = nn.Identity()
    return found, edges


def _without(modules: Mapping[str, nn.Module], edges: Sequence[Edge]) -> tuple[dict[str, nn.Module], list[Edge]]:
    """Without modules that change nothing in evaluation mode."""
    rest, left = dict(modules), list(edges)
    for name, module in modules.items():
        if isinstance(module, PASSED):
            del rest[name]
            sources = [source for source, target in left if target == name]
            left = [
                (new, target)
                for source, target in left
                if target != name
                for new in (sources if source == name else [source])
            ]
    return rest, left
