"""Saved networks: every bit comes back, equal networks give equal files, and other files are refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from snnprune.snn.checkpoint import copy_parameters, load_network, load_parameters, save_network
from snnprune.snn.network import SpikingNetwork, build_network
from snnprune.snn.params import ModelParams, NoisyDirect, Surrogate

SPEC = ModelParams(
    layers=[6, 5, 3],
    beta=0.7,
    threshold=1.3,
    reset="zero",
    surrogate=Surrogate(name="fast_sigmoid", slope=7.0),
    timesteps=4,
    encoding=NoisyDirect(name="noisy_direct", sigma=0.3),
    dropout=0.2,
)
NAMES = {"layers.1.weight", "layers.1.bias", "layers.4.weight", "layers.4.bias"}


def made(seed: int = 0) -> SpikingNetwork:
    torch.manual_seed(seed)
    return build_network(SPEC)


def test_round_trip_to_the_bit(tmp_path: Path) -> None:
    network = made()
    with torch.no_grad():
        network.layers[1].weight[0, :3] = torch.tensor([0.0, -0.0, 1e-42])  # signs of zero and subnormals stay
    save_network(tmp_path / "deep" / "model.safetensors", network)
    loaded = load_network(tmp_path / "deep" / "model.safetensors")
    assert loaded.spec == SPEC
    assert not loaded.training
    assert copy_parameters(loaded).keys() == NAMES
    for name, tensor in copy_parameters(network).items():
        assert torch.equal(copy_parameters(loaded)[name].view(torch.int32), tensor.view(torch.int32))
    images = torch.rand((9, 1, 2, 3), generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded(images, seed=1), network.eval()(images, seed=1))


def test_a_convolutional_network_comes_back(tmp_path: Path) -> None:
    network = build_network(ModelParams(layers="2x6x6-3C3-MP2-4", timesteps=5, threshold=0.1)).eval()
    save_network(tmp_path / "model.safetensors", network)
    loaded = load_network(tmp_path / "model.safetensors")
    assert loaded.spec == network.spec
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in network.layers]
    images = torch.rand((9, 2, 6, 6), generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded(images), network(images))
    assert network(images).sum() > 0


def test_equal_networks_give_equal_files(tmp_path: Path) -> None:
    for name, network in {"one": made(), "same": made(), "other": made(1)}.items():
        save_network(tmp_path / name, network)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "same").read_bytes()
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()
    save_network(tmp_path / "again", load_network(tmp_path / "one"))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "again").read_bytes()


def test_a_copy_is_independent() -> None:
    network = made()
    copy = copy_parameters(network)
    with torch.no_grad():
        network.layers[1].weight.zero_()
    assert copy["layers.1.weight"].abs().sum() > 0
    load_parameters(network, copy)
    assert torch.equal(network.layers[1].weight, copy["layers.1.weight"])
    assert network.layers[1].weight.requires_grad


def test_a_file_without_a_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "optimizer.safetensors"
    save_file({"layers.1.weight": torch.zeros(5, 6)}, path)
    with pytest.raises(ValueError, match="optimizer.safetensors: no network in this file"):
        load_network(path)


@pytest.mark.parametrize("content", [b"", b"layers: [1, 2]", b"\x80\x02pickle" * 10])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="model.safetensors"):
        load_network(path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_network(path, made())
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="model.safetensors"):
        load_network(path)


def test_a_spec_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(copy_parameters(made()), path, metadata={"model": '{"layers": []}'})
    with pytest.raises(ValueError, match="layers"):
        load_network(path)


@pytest.mark.parametrize("change", ["name", "shape", "missing"])
def test_weights_that_do_not_fit_are_refused(change: str) -> None:
    network = made()
    tensors = copy_parameters(made(1))
    weight = tensors.pop("layers.1.weight")
    if change != "missing":
        tensors |= {"layers.9.weight": weight} if change == "name" else {"layers.1.weight": weight.t()}
    before = copy_parameters(network)
    with pytest.raises(ValueError, match="weights do not fit the network"):
        load_parameters(network, tensors)
    assert all(torch.equal(before[name], tensor) for name, tensor in copy_parameters(network).items())
