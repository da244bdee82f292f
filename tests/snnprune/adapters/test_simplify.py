"""Normalisation as weights, neurons as constants: the same function in fewer kinds of nodes."""

import pytest
import snntorch as snn
import torch
from torch import Tensor, nn

from snnprune.adapters.simplify import constants, simplified
from snnprune.adapters.step_graph import Node, StepGraph
from snnprune.adapters.step_neurons import StepNeurons, step_neurons
from snnprune.core.errors import NotFiniteError, UserError


def graph(*nodes: tuple[str, nn.Module, tuple[str, ...], tuple[int, ...]], shape: tuple[int, ...]) -> StepGraph:
    return StepGraph({name: Node(module, reads, size) for name, module, reads, size in nodes}, shape, (nodes[-1][0],))


def normalisation(kind: type[nn.Module], channels: int, **options: bool) -> nn.Module:
    norm = kind(channels, **options)
    for tensor in (norm.running_mean, norm.running_var, *norm.parameters()):
        nn.init.uniform_(tensor, 0.5, 2)
    return norm.eval()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(
    ("weighted", "kind", "shape", "after"),
    [
        (nn.Linear(6, 4, bias=False), nn.BatchNorm1d, (6,), (4,)),
        (nn.Conv1d(3, 4, 3), nn.BatchNorm1d, (3, 8), (4, 6)),
        (nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d, (3, 8, 8), (4, 8, 8)),
    ],
)
def test_normalisation_is_folded_into_the_weights_that_it_alone_reads(
    weighted: nn.Module, kind: type[nn.Module], shape: tuple[int, ...], after: tuple[int, ...], affine: bool
) -> None:
    torch.manual_seed(0)
    norm = normalisation(kind, 4, affine=affine)
    with torch.no_grad():
        weighted.weight[0] = 0
    made = simplified(graph(("w", weighted, ("input",), after), ("n", norm, ("w",), after), shape=shape))
    assert [*made.nodes] == ["w"] and made.output == ("w",)
    values = torch.rand(5, *shape)
    torch.testing.assert_close(made.nodes["w"].module(values), norm(weighted(values)), rtol=1e-6, atol=1e-6)
    assert not made.nodes["w"].module.weight[0].any()  # what is pruned stays pruned


@pytest.mark.parametrize(
    ("kind", "shape"), [(nn.BatchNorm1d, (4,)), (nn.BatchNorm1d, (4, 6)), (nn.BatchNorm2d, (4, 3, 3))]
)
def test_normalisation_of_spikes_or_of_a_sum_is_a_layer_of_its_own(
    kind: type[nn.Module], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    norm = normalisation(kind, 4)
    made = simplified(graph(("n", norm, ("input",), shape), shape=shape))
    values = torch.rand(5, *shape)
    torch.testing.assert_close(made.nodes["n"].module(values), norm(values), rtol=1e-6, atol=1e-6)
    assert int(made.nodes["n"].module.weight.count_nonzero()) == 4


def test_weights_that_something_else_reads_too_are_not_folded() -> None:
    linear, norm = nn.Linear(4, 4), normalisation(nn.BatchNorm1d, 4)
    nodes = ("w", linear, ("input",), (4,)), ("n", norm, ("w",), (4,)), ("s", snn.Leaky(0.5), ("w", "n"), (4,))
    made = simplified(graph(*nodes, shape=(4,)))
    assert made.nodes["w"].module is linear
    assert {name: node.reads for name, node in made.nodes.items()} == {"w": ("input",), "n": ("w",), "s": ("w", "n")}


def test_what_changes_nothing_is_left_out_also_at_the_end() -> None:
    nodes = (
        ("drop", nn.Dropout2d(), ("input",), (4,)), ("s", snn.Leaky(0.5), ("drop", "input"), (4,)),
        ("end", nn.Identity(), ("s",), (4,)),
    )  # fmt: skip
    made = simplified(graph(*nodes, shape=(4,)))
    assert (made.nodes["s"].reads, made.output) == (("input", "input"), ("s",))
    assert constants(made) == {"input"}


def test_adaptive_pooling_is_pooling_where_the_squares_are_equal() -> None:
    made = simplified(graph(("p", nn.AdaptiveAvgPool2d((3, 1)), ("input",), (2, 3, 1)), shape=(2, 6, 5)))
    values = torch.rand(4, 2, 6, 5)
    assert torch.equal(made.nodes["p"].module(values), nn.AdaptiveAvgPool2d((3, 1))(values))
    with pytest.raises(UserError, match="p: adaptive average pooling of 6x5 to 4x1 cannot be exported"):
        simplified(graph(("p", nn.AdaptiveAvgPool2d((4, 1)), ("input",), (2, 4, 1)), shape=(2, 6, 5)))


def test_recurrent_weights_are_a_node_before_their_neurons() -> None:
    neuron = snn.RLeaky(beta=0.5, all_to_all=False, V=torch.tensor([1.0, 2.0]))
    made = simplified(graph(("r", neuron, ("input",), (2,)), shape=(2,)))
    assert {name: node.reads for name, node in made.nodes.items()} == {
        "r.recurrent": ("r",), "r": ("input", "r.recurrent"),
    }  # fmt: skip
    assert made.nodes["r.recurrent"].module.weight.tolist() == [[1, 0], [0, 2]]


def test_constants_of_neurons() -> None:
    found = step_neurons("n", snn.Leaky(beta=torch.tensor([0.5, 1.5]), reset_mechanism="zero", reset_delay=False), (2,))
    assert (found.beta.tolist(), found.threshold.tolist(), found.alpha) == ([0.5, 1], [1], None)
    assert (found.reset, found.delayed) == ("zero", False)
    found = step_neurons("n", snn.RSynaptic(0.25, 0.5, linear_features=2, reset_mechanism="zero"), (2,))
    assert (found.alpha.tolist(), found.beta.tolist(), found.reset, found.delayed) == ([0.25], [0.5], "whole", True)
    assert isinstance(found, StepNeurons)


@pytest.mark.parametrize(
    ("neuron", "error", "message"),
    [
        (
            snn.Lapicque(0.5),
            UserError,
            "n: Lapicque cannot be exported; possible are snnTorch's Leaky, Synaptic, RLeaky",
        ),
        (snn.Leaky(0.5, graded_spikes_factor=2.0), UserError, "n: neurons with inhibition, quantised states or graded"),
        (snn.Leaky(torch.tensor(torch.nan)), NotFiniteError, "n.beta: values are NaN"),
    ],
)
def test_neurons_that_cannot_be_exported(neuron: nn.Module, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        step_neurons("n", neuron, (2,))


def test_normalisation_by_the_batch_is_refused() -> None:
    norm: Tensor | nn.Module = nn.BatchNorm1d(4, track_running_stats=False)
    with pytest.raises(UserError, match="n: BatchNorm1d without running statistics cannot be exported"):
        simplified(graph(("n", norm, ("input",), (4,)), shape=(4,)))
