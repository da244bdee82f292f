"""A step of a network that is no plain sequence as an ONNX graph."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from snnprune.adapters.network import AdaptedNetwork
from snnprune.adapters.simplify import simplified
from snnprune.adapters.step_graph import INPUT, Node, Scores, StepGraph
from snnprune.adapters.step_neurons import StepNeurons
from snnprune.adapters.tracing import trace
from snnprune.export.onnx_builder import OnnxGraph
from snnprune.export.taps import taps_of


def add_step(made: OnnxGraph, network: AdaptedNetwork) -> Scores:
    """A step of a network of the user's own, with the states of its neurons in and out; what scores are made of its
    first output, which is called `spikes` where it is such, else `output`. Raises UserError: as
    `snnprune.export.flat_net.flat_net`."""
    graph = simplified(trace(network))
    values = {INPUT: made.take("input", graph.input_shape)}
    for name, node in graph.nodes.items():
        for read in node.reads:
            if read not in values:  # recurrent: the spikes of the step before
                values[read] = made.take(f"spikes_{read}", graph.shape(read))
        total = values[node.reads[0]]
        for read in node.reads[1:]:
            total = made.add("Add", [total, values[read]])
        if isinstance(node.module, StepNeurons):
            recurrent = name in values
            values[name] = _neurons(made, name, node.module, total, node.shape)
            if recurrent:
                made.give(f"next_spikes_{name}", values[name], node.shape)
        else:
            values[name] = _layer(made, graph, name, node, total)
    total = values[graph.output[0]]
    for read in graph.output[1:]:
        total = made.add("Add", [total, values[read]])
    last = [graph.nodes[name].module for name in graph.output]
    fires = all(isinstance(module, StepNeurons) and module.gives == "spikes" for module in last)
    made.give("spikes" if fires else "output", total, graph.shape(graph.output[0]), first=True)
    return graph.scores


def _layer(made: OnnxGraph, graph: StepGraph, name: str, node: Node, given: str) -> str:
    module, shape = node.module, graph.shape(node.reads[0])
    if isinstance(module, nn.Flatten | nn.Unflatten):
        sizes = made.whole(f"{name}.shape", [0, *node.shape] if len(node.shape) == 1 else [-1, *node.shape])
        return made.add("Reshape", [given, sizes])
    taps_of(name, module, shape)  # what is possible is the same as in CSR and C
    if isinstance(module, nn.AvgPool2d):
        pooled = made.add("AveragePool", [given], count_include_pad=1, **_window(module))
        if module.divisor_override is None:
            return pooled
        area = math.prod(_two(module.kernel_size))
        return made.add("Mul", [pooled, made.constant(f"{name}.share", area / module.divisor_override)])
    if isinstance(module, nn.MaxPool2d):
        return made.add("MaxPool", [given], dilations=_two(module.dilation), **_window(module))
    weights = [made.constant(f"{name}.weight", module.weight)]
    weights += [] if module.bias is None else [made.constant(f"{name}.bias", module.bias)]
    if isinstance(module, nn.Linear):
        return made.add("Gemm", [given, *weights], transB=1)
    same = {"same": "SAME_UPPER", "valid": "VALID"}
    pads = {"auto_pad": same[module.padding]} if isinstance(module.padding, str) else {"pads": [*module.padding] * 2}
    options = {"strides": [*module.stride], "dilations": [*module.dilation], "group": module.groups}
    return made.add("Conv", [given, *weights], **options, **pads)


def _window(pool: nn.AvgPool2d | nn.MaxPool2d) -> dict[str, list[int]]:
    return {"kernel_shape": _two(pool.kernel_size), "strides": _two(pool.stride), "pads": _two(pool.padding) * 2}


def _two(sides: int | Sequence[int]) -> list[int]:
    return [sides, sides] if isinstance(sides, int) else [*sides]


def _neurons(made: OnnxGraph, name: str, neurons: StepNeurons, current: str, shape: Sequence[int]) -> str:
    """Spikes or potentials of neurons; the operations run in the order of `StepNeurons`."""
    names = ("beta", "threshold") if neurons.alpha is None else ("beta", "threshold", "alpha")
    held = {key: made.constant(f"{name}.{key}", torch.from_numpy(getattr(neurons, key))) for key in names}
    before = made.take(f"potential_{name}", shape)
    if neurons.alpha is not None:
        synapse = made.take(f"synapse_{name}", shape)
        current = made.add("Add", [made.add("Mul", [held["alpha"], synapse]), current])
        made.give(f"next_synapse_{name}", current, shape)
    zero = "" if neurons.reset == "none" else made.constant(f"{name}.zero", 0.0)
    fired = made.add("Greater", [before, held["threshold"]])
    start = made.add("Where", [fired, zero, before]) if neurons.reset == "zero" else before
    now = made.add("Add", [made.add("Mul", [held["beta"], start]), current])
    if neurons.reset == "subtract":
        now = made.add("Sub", [now, made.add("Where", [fired, held["threshold"], zero])])
    elif neurons.reset == "whole":
        now = made.add("Where", [fired, zero, now])
    fires = made.add("Cast", [made.add("Greater", [now, held["threshold"]])], to=1)
    if not neurons.delayed and neurons.reset != "none":
        more = made.add("Sub", [fires, made.add("Cast", [fired], to=1)])
        now = made.add("Sub", [now, made.add("Mul", [more, held["threshold"] if neurons.reset == "subtract" else now])])
    made.give(f"next_potential_{name}", now, shape)
    return now if neurons.gives == "potential" else fires
