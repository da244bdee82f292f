"""A smaller network: what is removed, by hand, and what a user can do with it."""

from pathlib import Path

import pytest
import torch

import snnprune
from snnprune.core.network import Origin
from snnprune.core.own_model import Normalize
from snnprune.export.compact import compact, run_compact, to_compact
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


def test_it_takes_the_images_that_the_network_took(tmp_path: Path) -> None:
    network, raw = net("dense"), samples(net("dense"))
    names = {name: f"theirs.{name}" for name, _ in network.named_parameters()}
    network.origin = Origin(names, {"theirs.beta": torch.tensor(0.9)}, Normalize(mean=0.25, std=0.5))
    (tmp_path / "net").write_bytes(to_compact(network).files["model.safetensors"])
    loaded = snnprune.load(tmp_path / "net")
    assert loaded.normalize == network.normalize
    decisions = [each(each.normalize.of(raw)).argmax(1) for each in (network, loaded)]
    assert torch.equal(*decisions) and len(decisions[0].unique()) > 1
    assert not torch.equal(loaded(raw).argmax(1), decisions[0])


def test_a_net_in_float64_stays_so(tmp_path: Path) -> None:
    network, images = net("dense").double(), samples(net("dense")).double()
    (tmp_path / "model.safetensors").write_bytes(to_compact(network).files["model.safetensors"])
    loaded = snnprune.load(tmp_path / "model.safetensors")
    assert loaded(images).dtype == torch.float64
    assert torch.equal(loaded(images), network(images))
    assert torch.equal(run_compact(tmp_path, images), network(images))
