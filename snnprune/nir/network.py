"""A graph of NIR nodes as a torch module that runs step by step."""

import graphlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from snnprune.core.errors import UserError
from snnprune.nir.neurons import Integrators, Neurons
from snnprune.nir.package import NirError

Edge = tuple[str, str]
STATEFUL = (Neurons, Integrators)


@dataclass(frozen=True)
class Place:
    """Where a node stands: its name, and whose values it adds up: of this step, and, by recurrent edges, of the step
    before."""

    name: str
    now: tuple[str, ...]
    before: tuple[str, ...]


@dataclass
class Memory:
    """What goes from a step to the next: neurons' states, and the values that recurrent edges and layers read."""

    states: dict[str, tuple[Tensor, ...]] = field(default_factory=dict)
    values: dict[str, Tensor] = field(default_factory=dict)


class StepNetwork(nn.Module):
    """A NIR graph that runs step by step in plain torch. Its weights are those of ordinary `nn.Linear` and `nn.Conv`
    modules, recurrent ones too, so that they can be pruned and trained.

    graph: the `nir.NIRGraph` that it was made from; `snnprune.nir.writing` puts the weights back into a copy of it.
    places: the nodes in the order in which they are computed. input_shape: of a sample at one step, without the batch.
    A node's module is `nodes[key]`, key being its name with `_` for each dot.

    A recurrent edge closes a loop on the way from the input: it carries the value of the step before, and at the first
    step what its source gives while all neurons are silent and the input is zero (of an Affine node its bias).
    """

    def __init__(self, modules: Mapping[str, nn.Module], edges: Sequence[Edge], ends: Edge, graph: Any) -> None:
        """ends: the names of the input and the output. Raises NirError: a node cannot be reached from the input, or a
        loop has no neuron."""
        super().__init__()
        self.graph = graph
        self.input, self.output = ends
        self.input_shape = tuple(int(size) for size in graph.nodes[self.input].input_type["input"])
        self.places = arrange(modules, edges, self.input)
        self._recurrent = _recurrent(self.places, modules, self.output)
        order = [self.input, *(place.name for place in self.places)]
        self.nodes = nn.ModuleDict({_key(name): modules[name] for name in order})

    def forward(self, values: Tensor) -> Tensor:
        """Output [T, B, ...] of values [T, B, *input_shape], or as many values in another shape. Raises UserError: they
        do not fit."""
        if values.dim() < 3 or values.shape[2:].numel() != math.prod(self.input_shape):
            takes = ", ".join(map(str, ("T", "B", *self.input_shape)))
            raise UserError(f"input: the network takes [{takes}]; found {list(values.shape)}")
        memory, outputs = None, []
        for now in values.reshape(*values.shape[:2], *self.input_shape):
            output, memory = self.step(now, memory)
            outputs.append(output)
        return torch.stack(outputs)

    def step(self, now: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """Output [B, ...] of one step on values [B, ...], and what the next step needs."""
        if memory is None:
            memory = Memory(values=self._at_rest(now))
        following, values, before = Memory(), {self.input: now}, dict(memory.values)
        for place in self._recurrent:
            before[place.name] = self.module(place.name)(_sum([before[name] for name in place.now]))
        for place in self.places:
            if place in self._recurrent:
                continue
            total = _sum([values[name] for name in place.now] + [before[name] for name in place.before])
            module = self.module(place.name)
            if isinstance(module, STATEFUL):
                total, *state = module(total, *memory.states.get(place.name, ()))
                following.states[place.name] = tuple(state)
            else:
                total = module(total)
            values[place.name] = total
        carried = {name for place in self.places for name in place.before}
        carried |= {name for place in self._recurrent for name in place.now}
        following.values = {name: values[name] for name in carried & values.keys()}
        return values[self.output], following

    def module(self, name: str) -> nn.Module:
        """What computes a node, by its name in the file."""
        return self.nodes[_key(name)]

    def _at_rest(self, now: Tensor) -> dict[str, Tensor]:
        """The values of all nodes before the first step. No operations of the network: `forward` calls no hooks."""
        if not any(place.before for place in self.places):
            return {}
        values = {self.input: torch.zeros_like(now)}
        for place in self.places:
            module, total = self.module(place.name), _sum([values[name] for name in place.now])
            values[place.name] = torch.zeros_like(total) if isinstance(module, STATEFUL) else module.forward(total)
        return values


def arrange(modules: Mapping[str, nn.Module], edges: Sequence[Edge], start: str) -> tuple[Place, ...]:
    """The nodes but `start` in the order in which they can be computed, and which edges are recurrent: those that lead
    back to a node on the way from `start` (depth first, nodes by name). Raises NirError as `StepNetwork`."""
    followers: dict[str, list[str]] = {name: [] for name in modules}
    for source, target in sorted(edges):
        followers[source].append(target)
    order, back = _depth_first(followers, start)
    if lost := sorted(modules.keys() - set(order)):
        raise NirError(f"no way leads from the input to {', '.join(lost)}")
    _require_neurons_in_loops(modules, followers)
    return tuple(
        Place(
            name,
            tuple(source for source, target in edges if target == name and (source, target) not in back),
            tuple(source for source, target in edges if target == name and (source, target) in back),
        )
        for name in order
        if name != start
    )


def _recurrent(places: Sequence[Place], modules: Mapping[str, nn.Module], output: str) -> tuple[Place, ...]:
    """Layers whose values only the next step reads. They are computed there, so that the last step leaves none that
    nothing reads, as snnTorch's recurrent neurons do it."""
    found: list[Place] = []
    for place in reversed(places):
        readers = {other.name for other in places if place.name in other.now} - {each.name for each in found}
        is_layer = not (isinstance(modules[place.name], STATEFUL) or place.before or place.name == output)
        if is_layer and not readers:
            found.append(place)
    return tuple(reversed(found))


def _depth_first(followers: Mapping[str, Sequence[str]], start: str) -> tuple[list[str], set[Edge]]:
    """All nodes that `start` leads to, each after those that lead to it but for the edges back, and these edges."""
    finished: list[str] = []
    back: set[Edge] = set()
    path, rest, seen = [start], [iter(followers[start])], {start}
    while path:
        name = next(rest[-1], None)
        if name is None:
            finished.append(path.pop())
            rest.pop()
        elif name in path:
            back.add((path[-1], name))
        elif name not in seen:
            seen.add(name)
            path.append(name)
            rest.append(iter(followers[name]))
    return finished[::-1], back


def _require_neurons_in_loops(modules: Mapping[str, nn.Module], followers: Mapping[str, Iterable[str]]) -> None:
    stateless = {name for name, module in modules.items() if not isinstance(module, STATEFUL)}
    try:
        graphlib.TopologicalSorter({name: stateless & {*followers[name]} for name in stateless}).prepare()
    except graphlib.CycleError as error:
        raise NirError(
            f"a loop without neurons: {' - '.join(error.args[1])}; allowed are loops with neurons"
        ) from error


def _sum(values: Sequence[Tensor]) -> Tensor:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def _key(name: str) -> str:
    return name.replace(".", "_")
