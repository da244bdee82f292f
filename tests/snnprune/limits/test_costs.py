"""What synapses cost is what the rest of the library counts for whole nets: operations, energy, bytes of a CSR file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import snnprune
from snnprune.core.dataset import Split
from snnprune.energy.measure import measure
from snnprune.energy.profiles import energy_pj, load_profiles
from snnprune.export.csr import NPZ, to_csr
from snnprune.limits.costs import byte_costs, costs_of, meetings, operations_by_synapse, total
from snnprune.pruning.mask import Mask, prunable_weights
from tests.snnprune.adapters.own_nets import Residual, Static, Step
from tests.snnprune.export import nets

PROFILE = load_profiles()["horowitz_45nm_fp32"]


def split_of(images: Tensor) -> Split:
    return Split(images, torch.arange(len(images)) % 4)


def kept_in(network: nn.Module) -> Mask:
    return Mask({name: weight.detach() != 0 for name, weight in prunable_weights(network).items()})


@pytest.mark.parametrize("name", nets.NETS)
def test_of_the_net_s_own_synapses_they_add_up_to_its_operations(name: str) -> None:
    network = nets.net(name)
    split, mask = split_of(nets.samples(network)), kept_in(network)
    counted = measure(network, split)
    macs, acs = operations_by_synapse(network, split)
    for layer in counted.layers:
        kept = mask[layer.layer]
        assert float(macs[layer.layer][kept].sum()) == pytest.approx(layer.macs_once)
        assert float(acs[layer.layer][kept].sum()) == pytest.approx(layer.acs)
    assert costs_of("operations", network, split, PROFILE).of(mask) == pytest.approx(counted.macs_once + counted.acs)
    energy = counted.total.energies({"45nm": PROFILE})["energy_once_pj_45nm"]
    costs = costs_of("energy_pj", network, split, PROFILE)
    assert costs.of(mask) == pytest.approx(energy)
    sizes = {layer.layer: len(mask[layer.layer]) for layer in counted.layers[:-1]}
    assert {name: len(neurons) for name, neurons in costs.by_neuron.items()} == sizes


@pytest.mark.parametrize("name", nets.NETS)
def test_the_energy_of_a_neuron_that_goes_is_that_of_its_updates(name: str) -> None:
    """Without what reads them, none of the first hidden neurons (channels) is updated."""
    network = nets.net(name)
    split, mask = split_of(nets.samples(network)), kept_in(network)
    second = list(mask)[1]
    before = costs_of("energy_pj", network, split, PROFILE)
    without = Mask({**mask, second: torch.zeros_like(mask[second])})
    updates = measure(network, split).layers[0].neuron_updates
    gone = total(before.by_synapse, mask) - total(before.by_synapse, without)
    assert before.of(mask) - before.of(without) - gone == pytest.approx(energy_pj(0, 0, updates, PROFILE))


@pytest.mark.parametrize("kind", [Static, Step, Residual])
def test_of_networks_that_run_their_own_forward_too(kind: type) -> None:
    torch.manual_seed(0)
    images = torch.rand((30, 1, 6, 6)) * (torch.rand((30, 1, 6, 6)) > 0.3)
    network = snnprune.adapt(kind(), images, timesteps=None if kind is Static else 5, fast=False).network
    with torch.no_grad():
        for weight in prunable_weights(network).values():
            weight[torch.rand(weight.shape) < 0.5] = 0
    counted, mask = measure(network, split_of(images)), kept_in(network)
    assert costs_of("operations", network, split_of(images), PROFILE).of(mask) == pytest.approx(
        counted.macs_once + counted.acs
    )


def test_meetings_by_hand() -> None:
    """A kernel of two on four pixels, of which the first and last are zero, has three positions: its first entry meets
    pixels 0, 1, 2, its second 1, 2, 3."""
    conv, linear = nn.Conv1d(1, 1, 2), nn.Linear(4, 2)
    active = torch.tensor([[[False, True, True, False]]])
    assert meetings(conv, active).tolist() == [[[2.0, 2.0]]]
    assert meetings(linear, torch.cat([active[0], ~active[0], active[0]])).tolist() == [[1.0, 2.0, 2.0, 1.0]] * 2


@pytest.mark.parametrize("name", nets.NETS)
def test_bytes_are_those_of_the_arrays_of_a_csr_file(name: str, tmp_path: Path) -> None:
    """Where every row has synapses and every neuron is read, so that the export leaves none out."""
    network = nets.net(name, sparsity=0.0)
    with torch.no_grad():
        for weight in prunable_weights(network).values():
            weight.copy_(torch.where(weight == 0, 0.25, weight))
            weight.view(-1)[:2] = 0
    (tmp_path / NPZ).write_bytes(to_csr(network).files[NPZ])
    arrays = np.load(tmp_path / NPZ)
    written = sum(arrays[key].nbytes for key in arrays if key.split(".")[-1] in ("indptr", "indices", "values"))
    assert byte_costs(network, split_of(nets.samples(network))).of(kept_in(network)) == written


def test_bytes_by_hand() -> None:
    """300-2: a column takes 2 bytes, a synapse 6; three starts of 4."""
    network = snnprune.build([300, 2])
    costs = byte_costs(network, Split(torch.rand((1, 1, 10, 30)), torch.zeros(1, dtype=torch.long)))
    assert costs.of(Mask.dense(prunable_weights(network))) == 600 * 6 + 12
