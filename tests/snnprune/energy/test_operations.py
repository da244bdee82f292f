"""Counts against NeuroBench, against brute force, and by hand."""

from typing import Any

import pytest
import torch
from neurobench.metrics.workload import SynapticOperations
from neurobench.models import SNNTorchModel
from torch import Tensor, nn

from snnprune.core.encoding import encode
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.energy.operations import LayerCounts, observe_operations
from snnprune.pruning.mask import prunable_weights
from tests.snnprune import snntorch_loop

ENCODINGS = [
    {"name": "direct"},
    {"name": "noisy_direct", "sigma": 0.05},
    {"name": "rate"},
    {"name": "latency"},
]
ARCHITECTURES = [[144, 20, 15, 10], "12x12-3C3-MP2-4C3-6-10"]
SAMPLES, STEPS, SEED = 7, 5, 3


def make(layers: Any, encoding: dict[str, Any]) -> SpikingNetwork:
    torch.manual_seed(0)
    spec = {"layers": layers, "timesteps": STEPS, "encoding": encoding, "threshold": 0.3}
    network = build_network(ModelParams.model_validate(spec))
    with torch.no_grad():
        for weight in prunable_weights(network).values():
            weight.mul_(torch.rand_like(weight) > 0.6).mul_(3)
    return network


def images() -> Tensor:
    values = torch.rand((SAMPLES, 1, 12, 12), generator=torch.Generator().manual_seed(1))
    return values * (values > 0.4)


def neurobench(network: SpikingNetwork) -> dict[str, float]:
    """NeuroBench's own counts of the same network on the same input."""
    encoded = encode(images(), network.spec.encoding, STEPS, SEED)
    if encoded.dim() == 4:
        encoded = encoded.expand(STEPS, *encoded.shape)
    last = network.layers[-1]
    neurons = {
        layer: snntorch_loop.leaky(network.spec, init_hidden=True, output=layer is last)
        for layer in network.layers
        if isinstance(layer, MultiStepLeaky)
    }
    model = SNNTorchModel(nn.Sequential(*(neurons.get(layer, layer) for layer in network.layers)))
    model.register_hooks()
    metric = SynapticOperations()
    data = encoded.transpose(0, 1)
    with torch.no_grad():
        predictions = model(data)
    return metric(model, predictions, (data, torch.zeros(SAMPLES)))


def total(counts: list[LayerCounts]) -> tuple[int, int]:
    """MACs and ACs of all samples."""
    return sum(int(layer.macs.sum()) for layer in counts), sum(int(layer.acs.sum()) for layer in counts)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding["name"])
@pytest.mark.parametrize("layers", ARCHITECTURES, ids=["linear", "conv"])
def test_counts_equal_neurobench_to_the_digit(layers: Any, encoding: dict[str, Any]) -> None:
    network = make(layers, encoding)
    spikes, counts = observe_operations(network, images(), seed=SEED)
    found = neurobench(network)
    assert total(counts) == tuple(round(found[f"Effective_{kind}"] * SAMPLES) for kind in ("MACs", "ACs"))
    assert torch.equal(spikes, network.spikes(images(), seed=SEED))
    assert sum(layer.dense for layer in counts) == found["Dense"]
    assert sum(int(layer.spikes.sum()) for layer in counts[:-1]) > 0


def test_zero_weights_are_not_counted() -> None:
    network = make([144, 20, 10], {"name": "direct"})
    first = observe_operations(network, images())[1][0]
    rows = prunable_weights(network)["layers.1.weight"]
    met = sum(int(((image != 0).flatten() & (row != 0)).sum()) for image in images() for row in rows)
    assert total([first]) == (STEPS * met, 0) and STEPS * met < SAMPLES * first.dense
    assert first.dense == STEPS * 144 * 20


def test_by_hand() -> None:
    # Two inputs, two hidden neurons, one output, two steps; hidden neuron 0 fires at both steps, neuron 1 never.
    network = build_network(ModelParams.model_validate({"layers": [2, 2, 1], "timesteps": 2, "beta": 0.5}))
    weights = prunable_weights(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        weights["layers.1.weight"].copy_(torch.tensor([[4.0, 0.0], [0.1, 0.1]]))
        weights["layers.3.weight"].copy_(torch.tensor([[0.5, 0.5]]))
    _, (first, second) = observe_operations(network, torch.tensor([[[[1.0, 0.5]]], [[[1.0, 0.0]]]]))
    assert first.macs.tolist() == [2 * 3, 2 * 2]  # input 0 meets two synapses, input 1 one, at each of two steps
    assert second.acs.tolist() == [2, 2]  # two spikes of neuron 0, one synapse
    assert first.acs.tolist() == second.macs.tolist() == [0, 0]
    assert (first.analogue_steps.tolist(), second.analogue_steps.tolist()) == ([2, 2], [0, 0])
    assert first.spikes.tolist() == [2, 2]
    assert (first.dense, second.dense) == (2 * 4, 2 * 2)
    assert (first.neuron_updates, second.neuron_updates) == (4, 2)


def test_fewer_steps_count_less() -> None:
    network = make([144, 20, 10], {"name": "direct"})
    _, short = observe_operations(network, images(), 2)
    _, whole = observe_operations(network, images())
    assert (STEPS * short[0].macs == 2 * whole[0].macs).all()  # the same current at every step
    assert 0 < short[1].acs.sum() < whole[1].acs.sum()
    assert [layer.neuron_updates for layer in short] == [2 * 20, 2 * 10]
