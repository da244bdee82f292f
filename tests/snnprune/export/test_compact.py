"""A smaller network: what is removed, by hand, and what a user can do with it."""

from pathlib import Path

import pytest
import torch

import snnprune
from snnprune.export.compact import compact, to_compact
from tests.snnprune.export.nets import NETS, net, samples


@pytest.mark.parametrize("kind", NETS)
def test_it_is_smaller_and_fires_alike_also_compiled(kind: str) -> None:
    network = net(kind)
    small, images = compact(network), samples(network)
    before, after = (sum(p.numel() for p in each.parameters()) for each in (network, small))
    assert after < before
    for form in (small, snnprune.compile(small)):
        assert torch.equal(form(images, seed=0), network(images, seed=0))


def test_only_rows_that_matter_stay() -> None:
    """The second row of every hidden layer is silent (bias -1); the third of the first layer is read by none; the first
    fires from its bias and stays."""
    network = net("dense")
    with torch.no_grad():
        network.layers[3].weight[:, 2] = 0
    small = compact(network)
    kept = [row for row in range(14) if row not in (1, 2)]
    assert small.spec.layers[0] == 16
    assert torch.equal(small.layers[1].weight, network.layers[1].weight[kept])
    assert torch.equal(small.layers[1].bias, network.layers[1].bias[kept])
    assert small.layers[3].weight.shape[1] == 12


def test_channels_go_with_all_that_reads_them() -> None:
    network = net("convolutions")
    with torch.no_grad():
        network.layers[2].weight[2] = 0.25  # reads every channel
    small = compact(network)
    assert small.spec.layers == "4x4-4C2-2C2-4"
    assert torch.equal(small.layers[0].weight, network.layers[0].weight[[0, 2, 3, 4]])
    assert torch.equal(small.layers[2].weight, network.layers[2].weight[[0, 2]][:, [0, 2, 3, 4]])
    columns = torch.arange(12).reshape(3, 4)[[0, 2]].flatten()  # a channel of 2 x 2 neurons is four inputs
    assert torch.equal(small.layers[5].weight, network.layers[5].weight[:, columns])


def test_of_a_layer_that_passes_nothing_one_row_stays() -> None:
    network = net("dense")
    with torch.no_grad():
        network.layers[3].bias.fill_(-1)
        network.layers[3].weight.zero_()
    small, images = compact(network), samples(network)
    assert small.spec.layers == [16, 1, 1, 4]
    assert torch.equal(small(images), network(images))


def test_the_file_is_one_of_this_librarys(tmp_path: Path) -> None:
    network, images = net("dense"), samples(net("dense"))
    exported = to_compact(network)
    (tmp_path / "model.safetensors").write_bytes(exported.files["model.safetensors"])
    assert torch.equal(snnprune.load(tmp_path / "model.safetensors")(images), network(images))
    assert exported.about["synapses"] < exported.about["synapses_before"] == 16 * 14 + 14 * 11 + 11 * 4
