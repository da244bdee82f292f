"""The graph of a step in the few kinds of nodes that exports know: without what changes nothing in evaluation mode,
normalisation as weights, neurons as constants with their recurrent weights beside them."""

import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
from snntorch import SpikingNeuron
from torch import nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from snnprune.adapters.step_graph import INPUT, Node, StepGraph
from snnprune.adapters.step_neurons import StepNeurons, step_neurons
from snnprune.core.errors import UserError

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
PASSED = (_DropoutNd, nn.Identity)
RECURRENT = ".recurrent"  # after the name of its neurons


def simplified(graph: StepGraph) -> StepGraph:
    """The same function in evaluation mode; the modules of `graph` do not change.

    Left out are Dropout and Identity; a BatchNorm is folded into the weights before it where nothing else reads them,
    else it is a Linear or Conv of its own, with one weight for each channel; AdaptiveAvgPool2d is an AvgPool2d; neurons
    are `StepNeurons`, and recurrent weights a node of their own that reads them, before them: so it reads the spikes of
    the step before.
    Raises UserError: neurons that cannot be exported, or recurrent ones whose potential is read; normalisation without
    running statistics, adaptive pooling over squares of different sizes.
    """
    graph = without(_folded(graph), PASSED)
    found: dict[str, Node] = {}
    for name, node in graph.nodes.items():
        module = node.module
        if isinstance(module, NORMS):
            node = replace(node, module=_by_channel(module, len(node.shape)))
        elif isinstance(module, nn.AdaptiveAvgPool2d):
            node = replace(node, module=_average(name, graph.shape(node.reads[0]), node.shape))
        elif isinstance(module, SpikingNeuron):
            neurons = step_neurons(name, module, node.shape, "potential" if name in graph.potentials else "spikes")
            if hasattr(module, "recurrent"):
                _require_spikes(name, neurons)
                found[name + RECURRENT] = Node(_recurrent(name, module, node.shape), (name,), node.shape)
                node = replace(node, reads=(*node.reads, name + RECURRENT))
            node = replace(node, module=neurons)
        found[name] = node
    return replace(graph, nodes=found)


def constants(graph: StepGraph) -> frozenset[str]:
    """The nodes of a simplified graph whose values are the same at every step if the input is."""
    found = {INPUT}
    for name, node in graph.nodes.items():
        if found.issuperset(node.reads) and not isinstance(node.module, StepNeurons):
            found.add(name)
    return frozenset(found)


def fused(weighted: nn.Module, norm: nn.Module) -> nn.Module:
    """One module that does what both do, one after the other, in evaluation mode."""
    fuse = fuse_linear_bn_eval if isinstance(weighted, nn.Linear) else fuse_conv_bn_eval
    norm = copy.deepcopy(norm).eval()
    if norm.weight is None:  # for Linear torch asks for them
        norm.weight = nn.Parameter(torch.ones_like(norm.running_mean))
        norm.bias = nn.Parameter(torch.zeros_like(norm.running_mean))
    return fuse(copy.deepcopy(weighted).eval(), norm)


def _folded(graph: StepGraph) -> StepGraph:
    """With every normalisation folded into the weights that it alone reads; it is an Identity then."""
    nodes = dict(graph.nodes)
    for name, node in graph.nodes.items():
        if not isinstance(node.module, NORMS):
            continue
        _require_statistics(name, node.module)
        before, readers = nodes.get(node.reads[0]), _readers(nodes, graph.output, node.reads[0])
        if node.reads[1:] or readers != [name] or before is None or not isinstance(before.module, WEIGHTED):
            continue
        nodes[node.reads[0]] = replace(before, module=fused(before.module, node.module))
        nodes[name] = replace(node, module=nn.Identity())
    return replace(graph, nodes=nodes)


def _readers(nodes: Mapping[str, Node], output: tuple[str, ...], source: str) -> list[str]:
    """The nodes that read `source`; the output is called ''."""
    found = [name for name, node in nodes.items() for read in node.reads if read == source]
    return found + ["" for read in output if read == source]


def without(graph: StepGraph, kinds: tuple[type[nn.Module], ...]) -> StepGraph:
    """Without modules of these kinds: what reads them reads what they read."""
    stands_for: dict[str, tuple[str, ...]] = {}

    def through(reads: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(source for read in reads for source in stands_for.get(read, (read,)))

    nodes = {}
    for name, node in graph.nodes.items():
        node = replace(node, reads=through(node.reads))
        if isinstance(node.module, kinds):
            stands_for[name] = node.reads
        else:
            nodes[name] = node
    return replace(graph, nodes=nodes, output=through(graph.output))


def _require_spikes(name: str, neurons: StepNeurons) -> None:
    if neurons.gives != "spikes":
        raise UserError(
            f"{name}: the membrane potential of recurrent neurons is read out, which cannot be exported; possible are "
            "their spikes, or the potential of neurons without recurrence"
        )


def _require_statistics(name: str, norm: nn.Module) -> None:
    if norm.running_mean is None:
        raise UserError(f"{name}: {type(norm).__name__} without running statistics cannot be exported")


def _by_channel(norm: nn.Module, axes: int) -> nn.Module:
    """The normalisation of values of so many axes as weights from each channel to itself."""
    channels = norm.num_features
    if axes == 1:
        plain: nn.Module = nn.Linear(channels, channels, bias=False)
        torch.nn.init.eye_(plain.weight)
    else:
        plain = (nn.Conv1d if axes == 2 else nn.Conv2d)(channels, channels, 1, bias=False)
        torch.nn.init.dirac_(plain.weight)
    return fused(plain, norm)


def _average(name: str, before: tuple[int, ...], after: tuple[int, ...]) -> nn.AvgPool2d:
    if before[-2] % after[-2] or before[-1] % after[-1]:
        raise UserError(
            f"{name}: adaptive average pooling of {before[-2]}x{before[-1]} to {after[-2]}x{after[-1]} cannot be "
            "exported; possible is one to a divisor of each side"
        )
    return nn.AvgPool2d((before[-2] // after[-2], before[-1] // after[-1]))


def _recurrent(name: str, neuron: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """The recurrent weights of RLeaky and RSynaptic."""
    if isinstance(neuron.recurrent, WEIGHTED):
        return neuron.recurrent
    if len(shape) != 1:
        raise UserError(f"{name}: recurrence of each neuron to itself can be exported of vectors; found {list(shape)}")
    weight = torch.as_tensor(neuron.V).detach().float().cpu().broadcast_to(shape)
    linear = nn.Linear(*shape, *shape, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.diag(weight))
    return linear
