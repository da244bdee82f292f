"""One time step of a network as a graph: what an export of a network that is no plain sequence starts from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from torch import nn

from snnprune.core.own_model import Readout

INPUT, OUTPUT = "input", "output"
Edge = tuple[str, str]
Scores = Literal["sum", "mean", "last"]  # of the classes: of the output's steps the sum, the mean, or the last one
SCORES: Mapping[Readout, Scores] = MappingProxyType({"count": "sum", "mean-membrane": "mean", "last-membrane": "last"})


@dataclass(frozen=True)
class Node:
    """module: what computes it; two nodes may have one. reads: the nodes whose values it adds up; `INPUT` is the
    network's own. shape: of its value, without the batch."""

    module: nn.Module
    reads: tuple[str, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class StepGraph:
    """nodes: by name, each after those it reads; neurons keep their states from step to step. output: the nodes of
    whose values, added up, the read-out is made, as `scores` says. potentials: neurons of which what reads them takes
    the membrane potential after the step, not the spikes."""

    nodes: Mapping[str, Node]
    input_shape: tuple[int, ...]
    output: tuple[str, ...]
    scores: Scores = "sum"
    potentials: frozenset[str] = frozenset()

    @property
    def edges(self) -> Iterator[Edge]:
        """(source, target), from `INPUT` to `OUTPUT`."""
        for name, node in self.nodes.items():
            yield from ((source, name) for source in node.reads)
        yield from ((source, OUTPUT) for source in self.output)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a node's value or the input, without the batch."""
        return self.input_shape if name == INPUT else self.nodes[name].shape
