"""What early exit costs: hand-worked spikes, and runs that never stop."""

import itertools
from dataclasses import astuple
from typing import Any

import pytest
import torch

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.training.evaluate import evaluation_batches
from snnprune.energy.exits import measure_exits
from snnprune.energy.measure import Measurement, measure
from snnprune.energy.profiles import load_profiles
from snnprune.temporal.early_exit import gap, run_with_exits

T = 4


def net(layers: Any, encoding: str = "direct", **others: Any) -> SpikingNetwork:
    torch.manual_seed(0)
    spec = {"layers": layers, "timesteps": T, "encoding": {"name": encoding}, **others}
    return build_network(ModelParams.model_validate(spec))


def split_of(images: torch.Tensor, classes: int = 2) -> Split:
    return Split(images, torch.arange(len(images)) % classes)


def by_hand() -> SpikingNetwork:
    """Two inputs, two hidden neurons with beta 0.5 and threshold 1, each fed by the input of its number (the first one
    by both), and two outputs, each fed by the hidden neuron of its number. Three of eight synapses are pruned."""
    network = net([2, 2, 2], beta=0.5)
    with torch.no_grad():
        for layer, weight in ((1, [[2.0, 0.5], [0.0, 2.0]]), (3, [[2.0, 0.0], [0.0, 2.0]])):
            network.layers[layer].weight.copy_(torch.tensor(weight))
            network.layers[layer].bias.zero_()
    return network


def test_the_counts_by_hand() -> None:
    """Sample (1, 0): hidden neuron 0 has a current of 2, fires at every step (2; 1 + 2 - 1 = 2; ...), and so does
    output 0. After one step the counts are (1, 0), a gap of (e - 1) / (e + 1) = 0.46, after two (2, 0), 0.76. Sample
    (0, 0.4): currents 0.2 and 0.8; hidden neuron 1 has 0.8, then 1.2 and fires, then 0.6 + 0.8 - 1 = 0.4, then 1.0, not
    above the threshold. Output 1 fires at step 2, too; then its potential is 1 - 1 = 0: counts (0, 1) from there on."""
    network, images = by_hand(), torch.tensor([[1.0, 0.0], [0.0, 0.4]]).view(2, 1, 1, 2)
    expected = [[[1, 0], [0, 0]], [[1, 0], [0, 1]], [[1, 0], [0, 0]], [[1, 0], [0, 0]]]
    assert network.spikes(images).tolist() == expected
    found = measure_exits(network, split_of(images), 0.4)
    assert (found.steps, found.accuracy) == ((1 + 2) / 2, 1.0)
    hidden, output = found.layers
    # Input 0 meets one synapse, input 1 two: 1 step of 1 MAC and 2 steps of 2 MACs; once 1 and 2.
    assert (hidden.macs, hidden.macs_once) == ((1 * 1 + 2 * 2) / 2, (1 + 2) / 2)
    # Hidden spikes up to the exit: 1 and 1; each meets one synapse.
    assert (output.acs, hidden.acs, output.macs) == ((1 + 1) / 2, 0, 0)
    assert hidden.neuron_updates == output.neuron_updates == (2 * 1 + 2 * 2) / 2
    assert hidden.spike_rate == (1 + 1) / (2 * 1 + 2 * 2)
    assert (hidden.dense_macs, output.dense_acs) == (4 * 1.5, 4 * 1.5)
    energies = found.total.energies(load_profiles())
    assert energies["energy_once_pj_horowitz_45nm_fp32"] == pytest.approx(4.6 * 1.5 + 0.9 * 1 + 4.6 * 6)
    assert energies["energy_pj_horowitz_45nm_fp32"] == pytest.approx(4.6 * 2.5 + 0.9 * 1 + 4.6 * 6)
    # At 0.5 the first sample runs 2 steps, the second one never reaches it and runs all 4.
    found = measure_exits(network, split_of(images), 0.5)
    assert (found.steps, found.neuron_updates) == (3.0, 4 * 3)
    assert (found.acs, found.macs, found.macs_once) == ((2 + 1) / 2, (2 + 8) / 2, 1.5)
    # With 3 steps at most it stops there.
    assert measure_exits(network, split_of(images), 0.5, steps=3).steps == 2.5


def test_stopping_at_once_costs_one_step() -> None:
    network, images = by_hand(), torch.tensor([[1.0, 0.0], [0.0, 0.4]]).view(2, 1, 1, 2)
    found = measure_exits(network, split_of(images), 0.0)
    assert found.steps == 1.0
    assert found.layers == measure(network, split_of(images), 1).layers


def figures(measured: Measurement) -> list[Any]:
    return [measured.accuracy, *map(astuple, measured.layers)]


MADE = [*itertools.product([[64, 24, 10], "8x8-3C3-MP2-10"], ["direct", "noisy_direct", "rate", "latency", "frames"])]


def made(layers: Any, encoding: str, sparsity: float) -> tuple[SpikingNetwork, Split]:
    network = net(layers, encoding, threshold=0.2)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3 * (torch.rand(parameter.shape, generator=generator) >= sparsity))
    images = torch.rand((40, 1, 8, 8), generator=generator)
    if encoding == "frames":
        images = torch.poisson(torch.full((40, T, 1, 8, 8), 0.3), generator=generator).byte()
    return network, split_of(images, 10)


@pytest.mark.parametrize("sparsity", [0.0, 0.8])
@pytest.mark.parametrize(("layers", "encoding"), MADE)
def test_what_never_stops_is_the_whole_run(layers: Any, encoding: str, sparsity: float) -> None:
    network, split = made(layers, encoding, sparsity)
    assert measure(network, split).total.spike_rate > 0
    for steps in (None, 2):
        found = measure_exits(network, split, 1.0, steps)
        assert figures(found) == figures(measure(network, split, steps))
        assert found.steps == (steps or T)


@pytest.mark.parametrize("sparsity", [0.0, 0.8])
@pytest.mark.parametrize(("layers", "encoding"), MADE)
def test_a_run_with_exits_is_the_sum_of_its_samples(layers: Any, encoding: str, sparsity: float) -> None:
    """A second opinion: each sample alone, for as many steps as `run_with_exits` ran it. Of a random encoding the draw
    is that of the whole batch, so only steps and classes are held against it. The clearest at step 2 stops there at
    the latest."""
    network, split = made(layers, encoding, sparsity)
    (seed,) = (seed for *_, seed in evaluation_batches(split))
    threshold = 0.99 * gap(network.eval().spikes(split.images, steps=2, seed=seed).sum(0)).max().item()
    found = measure_exits(network, split, threshold)
    exits = run_with_exits(network, split.images, threshold, seed=seed)
    assert len(set(exits.steps.tolist())) > 1
    assert found.steps == exits.steps.double().mean().item()
    assert found.accuracy == (exits.classes == split.labels).double().mean().item()
    whole = measure(network, split)
    assert found.neuron_updates == pytest.approx(whole.neuron_updates * found.steps / T)
    assert found.acs < whole.acs or sparsity
    if encoding in ("noisy_direct", "rate"):
        return
    alone = [
        measure(network, Split(split.images[[one]], split.labels[[one]]), int(exits.steps[one])).total
        for one in range(len(split.labels))
    ]
    for key in ("macs", "macs_once", "acs"):
        assert getattr(found, key) == pytest.approx(sum(getattr(one, key) for one in alone) / len(alone))
