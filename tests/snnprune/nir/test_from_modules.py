"""Layers of torch and snnTorch as NIR graphs: the equations of NIR's documentation give what a loop over them gives."""

from typing import Any

import pytest
import snntorch
import torch
from torch import Tensor, nn

nir = pytest.importorskip("nir")

from snnprune.nir.from_modules import graph_of, sequence_edges  # noqa: E402
from snnprune.nir.package import NirError  # noqa: E402
from snnprune.nir.reading import from_graph  # noqa: E402
from tests.snnprune.nir.equations import interpret  # noqa: E402


def leaky(**options: Any) -> snntorch.Leaky:
    return snntorch.Leaky(**{"beta": 0.9, "reset_mechanism": "zero", "reset_delay": False} | options)


def graph(*layers: nn.Module, shape: tuple[int, ...] = (6,)) -> Any:
    modules = {str(index): layer for index, layer in enumerate(layers)}
    return graph_of(modules, sequence_edges([*modules]), shape)


@torch.no_grad()
def loop(layers: list[nn.Module], values: Tensor) -> Tensor:
    """As a user of snnTorch runs them, step by step."""
    membranes: dict[int, Tensor] = {}
    outputs = []
    for now in values:
        for index, layer in enumerate(layers):
            if isinstance(layer, snntorch.Leaky):
                now, membranes[index] = layer(now, membranes.get(index, torch.zeros_like(now)))
            else:
                now = layer(now)
        outputs.append(now)
    return torch.stack(outputs)


def trained_norm(norm: nn.Module) -> nn.Module:
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        nn.init.uniform_(tensor, 0.5, 1.5)
    return norm


@pytest.mark.parametrize("delay", [True, False], ids=["delayed", "at once"])
@pytest.mark.parametrize("kind", ["dense", "images"])
def test_a_reset_to_zero_is_nirs_own(kind: str, delay: bool) -> None:
    """One step later or at once: the same spikes. With a beta and a threshold for each neuron, normalisation, dropout
    and average pooling."""
    torch.manual_seed(0)
    if kind == "dense":
        shape, layers = (6,), [
            nn.Linear(6, 20, bias=False), trained_norm(nn.BatchNorm1d(20)),
            leaky(beta=torch.rand(20), reset_delay=delay),
            nn.Dropout(0.5), nn.Linear(20, 4), leaky(beta=1.0, threshold=torch.rand(4) + 0.5, reset_delay=delay),
        ]  # fmt: skip
    else:
        shape, layers = (2, 8, 8), [
            nn.Conv2d(2, 3, 3, padding=1), trained_norm(nn.BatchNorm2d(3)), leaky(beta=0.5, reset_delay=delay),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(48, 4), leaky(learn_beta=True, threshold=0.2, reset_delay=delay),
        ]  # fmt: skip
    values = torch.rand(25, 40, *shape) * 2 - 0.5
    expected = loop([layer.eval() for layer in layers], values)
    made = graph(*layers, shape=shape)
    assert 0.02 < expected.mean() < 0.9
    assert (interpret(made, values.numpy(), 1e-4) == expected.numpy()).all()
    assert torch.equal(from_graph(made)(values), expected)


def test_subtraction_is_said_by_the_nodes_metadata() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(6, 20), leaky(reset_mechanism="subtract", reset_delay=True), nn.Linear(20, 4), leaky()]
    made = graph(*layers)
    assert made.nodes["1"].metadata == {"reset": "subtract", "reset_delay": True}
    values = torch.rand(25, 40, 6) * 2
    assert torch.equal(from_graph(made)(values), loop(layers, values))
    assert not torch.equal(from_graph(made, reset="file", reset_delay=False)(values), loop(layers, values))


def test_a_residual_sum_is_two_edges() -> None:
    torch.manual_seed(0)
    modules = {"a": nn.Linear(6, 6), "n": leaky(), "drop": nn.Dropout(), "b": nn.Linear(6, 6), "m": leaky()}
    edges = [("input", "a"), ("a", "n"), ("n", "drop"), ("drop", "b"), ("b", "m"), ("drop", "m"), ("m", "output")]
    made = graph_of(modules, edges, (6,))
    assert set(made.edges) == {
        ("input", "a"), ("a", "n"), ("n", "b"), ("b", "m"), ("n", "m"), ("m", "output"),
    }  # fmt: skip
    values = torch.rand(25, 40, 6) * 2
    hidden = loop([modules["a"], modules["n"]], values)
    expected = loop([modules["m"]], modules["b"](hidden).detach() + hidden)
    assert 0.02 < expected.mean() < 0.98
    assert (interpret(made, values.numpy(), 1e-4) == expected.numpy()).all()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([nn.MaxPool2d(2)], "0: NIR cannot express MaxPool2d; allowed are Linear, Conv1d, Conv2d"),
        ([nn.Linear(6, 6), snntorch.RLeaky(0.9, linear_features=6)], "1: NIR cannot express RLeaky"),
        ([nn.BatchNorm1d(6)], "0: BatchNorm1d; allowed is one right after Linear or Conv"),
        ([leaky(reset_mechanism="none")], r"0 \(Leaky\): allowed is a reset subtract or zero"),
        ([leaky(beta=torch.tensor([1, 1, 0.5, 0.5, 1, 1]))], r"0 \(Leaky\): beta is 1 for some neurons only"),
    ],
)
def test_what_nir_cannot_express_is_named(layers: list[nn.Module], message: str) -> None:
    with pytest.raises(NirError, match=message):
        graph(*layers)


def test_the_modules_do_not_change() -> None:
    layers = [nn.Linear(6, 6), trained_norm(nn.BatchNorm1d(6)), leaky()]
    before = [tensor.clone() for layer in layers for tensor in layer.state_dict().values()]
    graph(*layers)
    after = [tensor for layer in layers for tensor in layer.state_dict().values()]
    assert all(map(torch.equal, before, after)) and layers[1].training
