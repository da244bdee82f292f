"""What synapses cost is what the rest of the library counts for whole nets: operations, energy, bytes of a CSR file."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import Tensor, nn

import snnprune
from snnprune.core.dataset import Split
from snnprune.core.params import Direct, Encoding, Frames, Rate
from snnprune.energy.measure import measure
from snnprune.energy.profiles import energy_pj, load_profiles
from snnprune.export.csr import NPZ, to_csr
from snnprune.limits.costs import byte_costs, costs_of, meetings, neuron_bytes, operations_by_synapse, total
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
    assert {name: len(neurons) for name, neurons in costs.by_neuron(mask).items()} == sizes


@pytest.mark.parametrize("name", nets.NETS)
def test_the_energy_of_a_neuron_that_goes_is_that_of_its_updates(name: str) -> None:
    """Whatever masks leave of the inputs, the outputs and the chains between, those that still matter are counted."""
    network = nets.net(name)
    split, mask = split_of(nets.samples(network)), kept_in(network)
    costs = costs_of("energy_pj", network, split, PROFILE)
    generator = torch.Generator().manual_seed(0)
    counts = set()
    for density in (0.0, 0.1, 0.2, 0.3, 0.4, 1.0):
        kept = mask.with_vector(mask.vector() & (torch.rand(mask.size, generator=generator) < density))
        pruned = copy.deepcopy(network)
        kept.apply(prunable_weights(pruned))
        counts.add(updates := measure(pruned, split).neuron_updates)
        assert costs.of(kept) - total(costs.by_synapse, kept) == pytest.approx(energy_pj(0, 0, updates, PROFILE))
    assert len(counts) > 3


class SequenceConv(nn.Conv2d):
    """Takes all steps at once, [T, B, C, H, W], as another package's layers do."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class Whole(nn.Module):
    """Layers take all steps in one call, [T, B, ...], or with `merged` [T * B, ...]."""

    def __init__(self, merged: bool = False) -> None:
        super().__init__()
        self.merged = merged
        self.conv = nn.Conv2d(1, 3, 3) if merged else SequenceConv(1, 3, 3)
        self.lif1 = snn.Leaky(beta=0.9, threshold=0.3, init_hidden=True)
        self.fc = nn.Linear(48, 4)
        self.lif2 = snn.Leaky(beta=0.9, threshold=0.3, init_hidden=True)

    def forward(self, x: Tensor) -> Tensor:
        for layer, neurons in ((self.conv, self.lif1), (self.fc, self.lif2)):
            x = x.flatten(2) if layer is self.fc else x
            x = layer(x.flatten(0, 1)).unflatten(0, x.shape[:2]) if self.merged else layer(x)
            x = torch.stack([neurons(step) for step in x])
        return x


FORWARDS = [(kind, Direct(name="direct")) for kind in (Static, Step, Residual)]
FORWARDS += [
    (kind, encoding)
    for kind in (Whole, partial(Whole, merged=True))
    for encoding in (Direct(name="direct"), Rate(name="rate"), Frames(name="frames"))
]


@pytest.mark.parametrize(("kind", "encoding"), FORWARDS)
def test_of_networks_that_run_their_own_forward_too(kind: Callable[[], nn.Module], encoding: Encoding) -> None:
    torch.manual_seed(0)
    samples = torch.rand((30, 1, 6, 6)) * (torch.rand((30, 1, 6, 6)) > 0.3)
    is_frames = isinstance(encoding, Frames)
    if is_frames:  # at some steps of some samples a count of 2
        samples = (torch.rand((30, 5, 1, 6, 6)) > 0.5).byte() + (torch.rand((30, 5, 1, 6, 6)) > 0.98).byte()
    options = {"timesteps": None if kind is Static else 5, "encoding": encoding, "fast": False}
    network = snnprune.adapt(kind(), samples, **options).network
    with torch.no_grad():
        for weight in prunable_weights(network).values():
            weight[torch.rand(weight.shape) < 0.5] = 0
    split, mask = split_of(samples), kept_in(network)
    counted = measure(network, split)
    macs, acs = operations_by_synapse(network, split)
    assert (total(macs, mask), total(acs, mask)) == (pytest.approx(counted.macs_once), pytest.approx(counted.acs))
    assert not is_frames or counted.layers[0].macs > 0 < counted.layers[0].acs
    costs = costs_of("operations", network, split, PROFILE)
    assert costs.of(mask) == pytest.approx(counted.macs_once + counted.acs)


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
    exported = to_csr(network)
    (tmp_path / NPZ).write_bytes(exported.files[NPZ])
    arrays = np.load(tmp_path / NPZ)
    written = sum(arrays[key].nbytes for key in arrays if key.split(".")[-1] in ("indptr", "indices", "values"))
    assert byte_costs(network, split_of(nets.samples(network))).of(kept_in(network)) == written
    assert written + neuron_bytes(network) == exported.about["array_bytes"]


def test_bytes_by_hand() -> None:
    """300-2: a column takes 2 bytes, a synapse 6; three starts of 4."""
    network = snnprune.build([300, 2])
    costs = byte_costs(network, Split(torch.rand((1, 1, 10, 30)), torch.zeros(1, dtype=torch.long)))
    assert costs.of(Mask.dense(prunable_weights(network))) == 600 * 6 + 12
