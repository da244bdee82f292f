"""The graph of a step: the same for every convention, with what torch's functions do, and errors that name the rest."""

from collections.abc import Callable
from typing import Any

import pytest
import snntorch as snn
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snnprune.adapters.adapt import adapt
from snnprune.adapters.step_graph import StepGraph
from snnprune.adapters.tracing import trace
from snnprune.core.errors import UserError
from snnprune.export.metadata import metadata
from tests.snnprune.adapters import own_nets

LOOPS = ("Static", "Vector", "Lists", "ListOfSpikes", "ListOfPairs", "Summed")


class Own(nn.Module):
    """One step of Linear 16-8 and 8-4 with hidden states; `between` makes the second current."""

    def __init__(self, between: Callable[["Own", Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        hidden = {"beta": 0.9, "threshold": 0.3, "init_hidden": True}
        self.fc1, self.lif1 = nn.Linear(16, 8), snn.Leaky(**hidden)
        self.fc2, self.lif2 = nn.Linear(8, 8), snn.Leaky(**hidden)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.lif2(self.between(self, x, self.lif1(self.fc1(x))))


def graph_of(net: nn.Module, side: int = 6, **options: Any) -> StepGraph:
    torch.manual_seed(0)
    return trace(adapt(net, torch.rand(4, 1, side, side), fast=False, **options).network)


@pytest.mark.parametrize("name", [*LOOPS, "Sequence", "Step"])
def test_every_convention_gives_the_same_graph(name: str) -> None:
    graph = graph_of(getattr(own_nets, name)(), **({} if name in LOOPS else {"timesteps": 5}))
    chain = ["fc1", "lif1", "fc2", "lif2"] if name == "Vector" else ["input.flatten", "fc1", "lif1", "fc2", "lif2"]
    assert [*graph.edges] == list(zip(("input", *chain), (*chain, "output"), strict=True))
    assert graph.nodes["fc1"].shape == graph.nodes["lif1"].shape == (12,)


def test_a_residual_sum_is_two_edges() -> None:
    graph = graph_of(own_nets.Residual())
    assert {name: node.reads for name, node in graph.nodes.items()} == {
        "conv": ("input",), "norm": ("conv",), "lif1": ("norm",), "pool": ("lif1",), "pool.flatten": ("pool",),
        "fc1": ("pool.flatten",), "input.flatten": ("input",), "skip": ("input.flatten",), "lif2": ("fc1", "skip"),
        "fc2": ("lif2",), "lif3": ("fc2",),
    }  # fmt: skip
    assert (graph.input_shape, graph.output) == ((1, 6, 6), ("lif3",))
    assert graph.nodes["pool"].shape == (4, 3, 3)


def test_pooling_by_functions_and_a_module_called_twice_are_nodes_of_their_own() -> None:
    class Pools(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
            self.lif, self.pool = snn.Leaky(beta=0.5, init_hidden=True), nn.MaxPool2d(2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv2(self.pool(F.avg_pool2d(self.conv1(x), 2, 1, padding=1)))
            return self.lif(F.max_pool2d(self.pool(x), 1, stride=2)).flatten(1)

    graph = graph_of(Pools(), side=7, timesteps=3)
    assert [*graph.nodes] == [
        "conv1", "conv1.avg_pool", "pool", "conv2", "pool_2", "pool_2.max_pool", "lif", "lif.flatten",
    ]  # fmt: skip
    average, highest = graph.nodes["conv1.avg_pool"].module, graph.nodes["pool_2.max_pool"].module
    assert (average.kernel_size, average.stride, average.padding) == ([2, 2], [1, 1], [1, 1])
    assert (highest.kernel_size, highest.stride) == ([1, 1], [2, 2])


def test_a_sum_that_the_network_makes_over_time_itself() -> None:
    class Total(own_nets.Static):
        def forward(self, x: Tensor) -> Tensor:
            spikes, _ = super().forward(x)
            total = torch.zeros_like(spikes[0])
            for step in spikes:
                total = total + step
            return total

    graph = graph_of(Total())
    assert (graph.output, graph.scores, graph.potentials) == (("lif2",), "sum", frozenset())


@pytest.mark.parametrize(
    ("name", "readout", "scores"),
    [
        ("Static", "mean-membrane", "mean"),  # forward returns them
        ("ListOfPairs", "last-membrane", "last"),
        ("Vector", "last-membrane", "last"),  # the last neurons have them
        ("Summed", "mean-membrane", "mean"),
        ("Static", "count", "sum"),
    ],
)
def test_a_read_out_of_potentials(name: str, readout: str, scores: str) -> None:
    graph = graph_of(getattr(own_nets, name)(), readout=readout)
    assert (graph.output, graph.scores) == (("lif2",), scores)
    assert graph.potentials == ({"lif2"} if readout != "count" else set())


def test_potentials_pass_through_layers_and_functions() -> None:
    class Integrates(own_nets.Static):
        def forward(self, x: Tensor) -> Tensor:
            membrane, outputs = self.lif1.init_leaky(), []
            for _ in range(own_nets.STEPS):
                _, membrane = self.lif1(self.fc1(x.flatten(1)), membrane)
                outputs.append(self.fc2(membrane.view(-1, 3, 4).flatten(1)))
            return torch.stack(outputs)

    graph = graph_of(Integrates())
    assert [*graph.nodes] == ["input.flatten", "fc1", "lif1", "lif1.unflatten", "lif1.unflatten.flatten", "fc2"]
    assert (graph.nodes["lif1.unflatten"].reads, graph.output, graph.potentials) == (("lif1",), ("fc2",), {"lif1"})


def test_what_is_made_of_all_steps_is_read_by_no_layer() -> None:
    class Head(own_nets.Static):
        def forward(self, x: Tensor) -> Tensor:
            spikes, _ = super().forward(x)
            return self.fc3(spikes.sum(0))

    net = Head()
    net.fc3 = nn.Linear(4, 4)
    with pytest.raises(UserError, match="output is fc3 of what is made of all steps of lif2, which cannot be exported"):
        graph_of(net)


def test_what_a_constant_adds_to_a_sum_over_time_is_named() -> None:
    class Shifted(own_nets.Static):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)[0].sum(0) + self.skip(x.flatten(1))

    net = Shifted()
    net.skip = nn.Linear(36, 4)
    with pytest.raises(UserError, match=r"output is lif2 and skip of different time steps are added up"):
        graph_of(net)


@pytest.mark.parametrize(
    ("between", "message"),
    [
        (lambda net, x, s: net.fc2(s) * 2, r"lif2: reads mul of fc2, which cannot be exported; possible between"),
        (lambda net, x, s: torch.relu(net.fc2(s)), r"lif2: reads relu of fc2"),
        (lambda net, x, s: net.fc2(s) + 1, r"lif2: reads add of fc2"),
        (lambda net, x, s: torch.add(net.fc2(s), s, alpha=2), r"lif2: reads add with a factor of fc2"),
        (lambda net, x, s: net.fc2(s) + net.fc2(s)[:, :1], r"lif2: reads slice of fc2"),
        (lambda net, x, s: net.fc2(s).mul_(2), r"mul_ changes fc2 in place"),
        (lambda net, x, s: net.fc2(s) + s.sum(1, keepdim=True), r"lif2: reads sum of lif1"),
    ],
)
def test_what_has_no_place_in_a_graph_is_named(between: Callable[..., Tensor], message: str) -> None:
    with pytest.raises(UserError, match=message):
        graph_of(Own(between), side=4, timesteps=3)


class Changed(own_nets.Static):
    """What the second neurons read and start from is changed."""

    def __init__(self, read: Callable[..., Tensor], state: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.read, self.state = read, state

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2, spikes = self.lif1.init_leaky(), self.lif2.init_leaky(), []
        for _ in range(own_nets.STEPS):
            spk1, mem1 = self.lif1(self.fc1(x.flatten(1)), mem1)
            spk2, mem2 = self.lif2(self.fc2(self.read(spk1, mem1)), self.state(mem2))
            spikes.append(spk2)
        return torch.stack(spikes)


class Synapse(nn.Module):
    def forward(self, given: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        return given[1]


def test_other_states_and_read_outs_are_named() -> None:
    with pytest.raises(UserError, match=r"lif2: step 1 starts from mul of lif2's potential; expected its own"):
        graph_of(Changed(lambda spikes, membrane: spikes, lambda membrane: membrane * 0.5))
    with pytest.raises(UserError, match=r"lif1: its membrane potential is read and its spikes too, which cannot be"):
        graph_of(Changed(lambda spikes, membrane: spikes + membrane, lambda membrane: membrane))
    synapse = nn.Sequential(
        nn.Flatten(), nn.Linear(36, 4), snn.Synaptic(0.5, 0.5, init_hidden=True, output=True), Synapse()
    )
    with pytest.raises(UserError, match=r"output is the current of a synapse of 2; possible are spikes and potentials"):
        graph_of(synapse, timesteps=3)


def test_neurons_of_another_kind_are_named_before_anything_runs() -> None:
    adapted = adapt(own_nets.Kinds(), torch.rand(4, 1, 6, 6), timesteps=3)
    with pytest.raises(UserError, match=r"lap: Lapicque cannot be exported; possible are snnTorch's Leaky"):
        trace(adapted.network)
    assert metadata(adapted.network)["neurons"]["lap"] == {"kind": "Lapicque"}
