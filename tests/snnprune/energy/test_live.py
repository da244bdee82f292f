"""Neurons that can matter: chains of synapses by hand, biases tried out, channels, and outputs that do not change."""

import pytest
import torch

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.energy.live import live_rows
from snnprune.energy.measure import measure
from snnprune.pruning.mask import prunable_weights

STEPS = 4


def net(layers: list[int] | str, *weights: list, beta: float = 0.5) -> SpikingNetwork:
    """One without biases, of these weights."""
    spec = {"layers": layers, "timesteps": STEPS, "encoding": {"name": "direct"}, "beta": beta, "threshold": 1.0}
    network = build_network(ModelParams.model_validate(spec))
    with torch.no_grad():
        for weight, values in zip(prunable_weights(network).values(), weights, strict=True):
            weight.copy_(torch.tensor(values))
            bias_of(network, weight).zero_()
    return network


def bias_of(network: SpikingNetwork, weight: torch.Tensor) -> torch.Tensor:
    return next(module.bias for module in network.layers if getattr(module, "weight", None) is weight)


def live(network: SpikingNetwork, steps: int = STEPS) -> list[list[bool]]:
    return [rows.tolist() for rows in live_rows(network, steps).values()]


def test_no_way_to_an_output_no_input_and_all_outputs() -> None:
    """Of the first layer's neurons 0 feeds 0, which feeds nothing; 1 feeds 1; 2 has no input, so that 2 has none.
    Neither has the second output, which stays."""
    network = net(
        [2, 3, 3, 2],
        [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]],
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]],
    )
    assert live(network) == [[False, True, False], [False, True, False], [True, True]]
    images = torch.rand((3, 1, 1, 2))
    found = measure(network, Split(images, torch.tensor([0, 1, 1])))
    assert (found.neuron_updates, found.total.dense_updates) == (STEPS * 4, STEPS * 8)
    assert (found.layers[0].neuron_updates, found.layers[0].dense_updates) == (STEPS * 1, STEPS * 3)
    assert found.layers[0].macs == 2 * STEPS  # every synapse counts, as in NeuroBench


@pytest.mark.parametrize(
    ("bias", "steps", "fires"), [(0.5, 4, False), (0.55, 4, True), (0.55, 3, False), (1.5, 1, True)]
)
def test_a_bias_is_tried_out_for_the_steps_of_the_run(bias: float, steps: int, fires: bool) -> None:
    """With beta 0.5 a potential of b, 1.5 b, 1.75 b, 1.875 b: 0.55 passes 1 in the fourth step only."""
    network = net([2, 2, 1], [[0.0, 0.0], [1.0, 0.0]], [[1.0, 1.0]])
    first = next(iter(prunable_weights(network).values()))
    with torch.no_grad():
        bias_of(network, first)[0] = bias
    assert live(network, steps) == [[fires, True], [True]]


def test_of_a_convolution_whole_channels() -> None:
    """Channel 1 of the first convolution is read by none; of the second, 0 feeds the output with its last pixel."""
    network = net(
        "4x4-2C3-2C1-2",
        [[[[1.0] * 3] * 3]] * 2,
        [[[[1.0]], [[0.0]]], [[[1.0]], [[0.0]]]],
        [[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]] * 2,
    )
    assert live(network) == [[True, False], [True, False], [True, True]]
    found = measure(network, Split(torch.rand((2, 1, 4, 4)), torch.tensor([0, 1])))
    assert [layer.neuron_updates for layer in found.layers] == [4 * STEPS, 4 * STEPS, 2 * STEPS]


@pytest.mark.parametrize("layers", [[16, 12, 10, 3], "4x4-4C2-3C2-3"])
def test_without_the_dead_neurons_the_outputs_are_the_same(layers: list[int] | str) -> None:
    """What they would send is cut: each dead neuron's bias is set so that it never fires."""
    torch.manual_seed(3)
    spec = {"layers": layers, "timesteps": STEPS, "encoding": {"name": "direct"}, "threshold": 0.2}
    network = build_network(ModelParams.model_validate(spec))
    weights = prunable_weights(network)
    with torch.no_grad():
        for weight in weights.values():
            weight[torch.rand(weight.shape) < 0.85] = 0
    images = torch.rand((20, 1, 4, 4))
    before, rows = network.spikes(images), live_rows(network, STEPS)
    assert sum(int((~one).sum()) for one in rows.values()) > 0
    with torch.no_grad():
        for name, one in rows.items():
            bias_of(network, weights[name])[~one] = -100.0
    assert before.sum() > 0
    assert torch.equal(network.spikes(images), before)
