"""A network that is no plain sequence as nodes on flat arrays, in the order of a step: what CSR and C files hold."""

import math
from dataclasses import dataclass

from torch import nn

from snnprune.adapters.network import AdaptedNetwork
from snnprune.adapters.simplify import constants, simplified, without
from snnprune.adapters.step_graph import Scores
from snnprune.adapters.step_neurons import StepNeurons
from snnprune.adapters.tracing import trace
from snnprune.core.encoding import is_constant
from snnprune.export.taps import Taps, taps_of


@dataclass(frozen=True)
class FlatNode:
    """what: what it computes of the sum of the values that it reads, added up in their order. size: values of a step.
    constant: they are the same at every step."""

    name: str
    what: Taps | StepNeurons
    reads: tuple[str, ...]
    size: int
    constant: bool


@dataclass(frozen=True)
class FlatNet:
    """nodes: in the order of a step; what reads a node after itself reads its value of the step before, 0 at first.
    `snnprune.adapters.step_graph.INPUT` is the network's input, `inputs` values at one step. output: the nodes of whose
    values, added up, the classes' scores are made, as `scores` says. constant: the input is the same at every step."""

    timesteps: int
    constant: bool
    inputs: int
    nodes: tuple[FlatNode, ...]
    output: tuple[str, ...]
    scores: Scores

    @property
    def classes(self) -> int:
        """How many there are."""
        return next(node.size for node in self.nodes if node.name == self.output[0])

    @property
    def figures(self) -> dict[str, int]:
        """What exports say of it, as `snnprune.export.csr.figures`."""
        taps = [(node.what, 1 if node.constant else self.timesteps) for node in self.nodes if _are_taps(node)]
        neurons = sum(node.size for node in self.nodes if not _are_taps(node))
        return {
            "taps": sum(len(each.columns) for each, _ in taps),
            "neurons": neurons,
            "synaptic_operations_at_most": sum(each.operations * times for each, times in taps),
            "neuron_updates": neurons * self.timesteps,
        }


def flat_net(network: AdaptedNetwork) -> FlatNet:
    """Raises UserError: as `snnprune.adapters.tracing.trace`, `snnprune.adapters.simplify.simplified` and
    `snnprune.export.taps.taps_of`. Raises NotFiniteError: a weight or constant is NaN or infinite."""
    graph, constant = simplified(trace(network)), is_constant(network.spec.encoding)
    unchanging = constants(graph) if constant else frozenset()
    nodes = []
    flat = without(graph, (nn.Flatten, nn.Unflatten))  # the same values in memory
    for name, node in flat.nodes.items():
        shape, module = graph.shape(graph.nodes[name].reads[0]), node.module
        what = module if isinstance(module, StepNeurons) else taps_of(name, module, shape)
        nodes.append(FlatNode(name, what, node.reads, math.prod(node.shape), name in unchanging))
    inputs = math.prod(graph.input_shape)
    return FlatNet(network.spec.timesteps, constant, inputs, tuple(nodes), flat.output, flat.scores)


def _are_taps(node: FlatNode) -> bool:
    return isinstance(node.what, Taps)
