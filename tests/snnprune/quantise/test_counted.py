"""Footprint by hand; activity against the counts of every other evaluation, and by hand on the integer network."""

import numpy as np
import pytest
import torch

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.evaluate import BATCH_SIZE
from snnprune.energy.live import live_rows
from snnprune.energy.measure import measure
from snnprune.pruning.mask import prunable_weights
from snnprune.quantise.activity import activity
from snnprune.quantise.footprint import of_float, of_integer
from snnprune.quantise.inputs import integer_inputs
from snnprune.quantise.integer import Csr
from snnprune.quantise.quantise import quantise
from tests.snnprune.quantise.made import CONV, DENSE, STEPS, network, samples

NETS = [(DENSE, "direct"), (DENSE, "frames"), (CONV, "direct"), (CONV, "rate"), (CONV, "frames")]


def test_footprint_by_hand() -> None:
    net = network([5, 3])
    with torch.no_grad():
        net.layers[1].weight.copy_(torch.tensor([[1.0, 0, 2, 0, 0], [0] * 5, [0, 3, 0, 0, -4]]))
    found = of_float(net)
    # Four floats with columns below 5, three bits each; where four rows begin or end, 0 to 4: three bits each.
    assert found.csr_bytes == (4 * (32 + 3) + 4 * 3) // 8
    assert (found.dense_bytes, found.bitmask_bytes) == (60, (4 * 32 + 15 + 7) // 8)
    assert (found.neuron_bytes, found.total_bytes) == (3 * 4, 18 + 12)
    by_layer, by_row = (of_integer(quantise(net, 4, per).integer) for per in ("layer", "row"))
    assert by_layer.csr_bytes == by_row.csr_bytes == 5  # 4 * (4 + 3) + 12 = 40 bits
    assert by_layer.bitmask_bytes == 4  # 16 + 15 bits
    assert (by_layer.neuron_bytes, by_row.neuron_bytes) == (12 + 5, 12 + 15)
    # A weight that is rounded to zero is gone: 1 / 15 of the largest is less than a half of a seventh.
    with torch.no_grad():
        net.layers[1].weight[0, 0] = 4 / 15
    assert of_integer(quantise(net, 4, "layer").integer).csr_bytes == (3 * (4 + 3) + 4 * 2 + 7) // 8


def labelled(net: SpikingNetwork, count: int) -> Split:
    return Split(samples(net, count), torch.arange(count) % 5)


@pytest.mark.parametrize(("layers", "encoding"), NETS)
def test_a_float_network_counts_as_everywhere(layers: object, encoding: str) -> None:
    net = network(layers, encoding)
    split = labelled(net, BATCH_SIZE + 7)
    found, expected = activity(net, split), measure(net, split)
    assert found.macs_once == pytest.approx(expected.macs_once)
    assert (found.acs, found.neuron_updates) == (pytest.approx(expected.acs), expected.neuron_updates)
    assert (found.decisions == split.labels).double().mean().item() == expected.accuracy


@pytest.mark.parametrize(("layers", "encoding"), NETS)
def test_an_integer_network_counts_its_own_spikes(layers: object, encoding: str) -> None:
    net = network(layers, encoding)
    split = labelled(net, 9)
    quantised = quantise(net, 8)
    found = activity(quantised, split)
    near = activity(quantised.network, split)
    assert (found.macs_once, found.acs) == (pytest.approx(near.macs_once, rel=0.02), pytest.approx(near.acs, rel=0.02))
    assert found.silent == pytest.approx(near.silent, abs=0.05)
    if encoding != "rate":  # whose draw is another one
        assert torch.equal(found.decisions, quantised.counts(split.images).argmax(1))
    if encoding == "rate" or layers != DENSE:
        return
    (spikes,) = quantised.integer.blocks(integer_inputs(net.spec, split.images))
    fired = np.concatenate([layer.any(2).any(0) for layer in spikes])
    assert found.silent == pytest.approx(1 - fired.mean())
    acs = 0
    for layer, before in zip(quantised.integer.layers[1:], spikes, strict=False):
        assert isinstance(layer.synapses, Csr)
        acs += (np.bincount(layer.synapses.columns, minlength=before.shape[1]) * before.sum((0, 2))).sum()
    if encoding == "direct":
        assert found.acs == pytest.approx(acs / 9)
    live = live_rows(quantised.network, STEPS)
    assert found.neuron_updates == STEPS * sum(int(rows.sum()) for rows in live.values()) <= STEPS * (20 + 12 + 5)
    assert list(prunable_weights(net)) == [layer.name for layer in quantised.integer.layers]
