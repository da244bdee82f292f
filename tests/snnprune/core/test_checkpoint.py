"""Saved networks: every bit comes back, equal networks give equal files, and other files are refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from snnprune.core.checkpoint import (
    NetworkFileError,
    copy_parameters,
    load_mask,
    load_masks,
    load_network,
    load_parameters,
    save_masks,
    save_network,
)
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams, NoisyDirect, Surrogate

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


def made(seed: int = 0, layers: list[int] | str = SPEC.layers) -> SpikingNetwork:
    torch.manual_seed(seed)
    return build_network(SPEC.model_copy(update={"layers": layers}))


def same_bits(one: SpikingNetwork, other: SpikingNetwork) -> bool:
    pairs = zip(copy_parameters(one).items(), copy_parameters(other).items(), strict=True)
    return all(n == m and torch.equal(a.view(torch.int32), b.view(torch.int32)) for (n, a), (m, b) in pairs)


@pytest.mark.parametrize("layers", [[72, 5, 3], "2x6x6-3C3-MP2-4"])
def test_round_trip_to_the_bit(tmp_path: Path, layers: list[int] | str) -> None:
    network = made(layers=layers).eval()
    weight = next(network.parameters())
    with torch.no_grad():
        weight.view(-1)[:3] = torch.tensor([0.0, -0.0, 1e-42])  # signs of zero and subnormals stay
    save_network(tmp_path / "deep" / "model.safetensors", network)
    loaded = load_network(tmp_path / "deep" / "model.safetensors")
    assert loaded.spec == network.spec
    assert not loaded.training
    assert same_bits(loaded, network)
    assert load_mask(tmp_path / "deep" / "model.safetensors") == {}
    images = torch.rand((9, 2, 6, 6), generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded(images, seed=1), network(images, seed=1))


@pytest.mark.parametrize("is_pruned", [False, True])
def test_float64_stays_float64(tmp_path: Path, is_pruned: bool) -> None:
    network = made().double()
    save_network(tmp_path / "net", network, pruned(network, 0.3) if is_pruned else None)
    loaded, images = load_network(tmp_path / "net"), torch.rand(5, 1, 2, 3, dtype=torch.float64)
    assert all(torch.equal(tensor, copy_parameters(network)[name]) for name, tensor in copy_parameters(loaded).items())
    assert {tensor.dtype for tensor in loaded.parameters()} == {torch.float64}
    assert torch.equal(loaded(images, seed=0), network.eval()(images, seed=0))


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


@pytest.mark.parametrize("content", [b"", b"layers: [1, 2]", b"\x80\x02pickle" * 10, "truncated"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "model.safetensors"
    save_network(path, made())
    path.write_bytes(path.read_bytes()[:-8] if content == "truncated" else content)
    with pytest.raises(ValueError, match="model.safetensors"):
        load_network(path)


@pytest.mark.parametrize(
    ("header", "message"), [(None, "net: no network in this file"), ({"model": '{"layers": []}'}, "layers")]
)
def test_a_file_without_a_spec_is_refused(tmp_path: Path, header: dict[str, str] | None, message: str) -> None:
    save_file(copy_parameters(made()), tmp_path / "net", metadata=header)
    with pytest.raises(ValueError, match=message):
        load_network(tmp_path / "net")


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


# Sparse


def pruned(network: SpikingNetwork, share: float, seed: int = 0) -> dict[str, torch.Tensor]:
    """A random mask that keeps a share of every weight, applied to the network."""
    generator = torch.Generator().manual_seed(seed)
    masks = {}
    for name, weight in network.named_parameters():
        if name.endswith("weight"):
            masks[name] = torch.rand(weight.shape, generator=generator) < share
            with torch.no_grad():
                weight.masked_fill_(~masks[name], 0.0)
    return masks


@pytest.mark.parametrize("layers", [[6, 5, 3], "2x6x6-3C3-MP2-4"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_pruned_network_comes_back_with_its_mask(tmp_path: Path, layers: list[int] | str, share: float) -> None:
    network = made(layers=layers)
    mask = pruned(network, share)
    with torch.no_grad():
        first = network.get_parameter(next(iter(mask)))
        first[mask[next(iter(mask))]] *= 1e-39  # subnormal, and some of them 0: kept, though nothing is left of them
    save_network(tmp_path / "net", network, mask)
    loaded, found = load_network(tmp_path / "net"), load_mask(tmp_path / "net")
    assert same_bits(loaded, network)
    assert found.keys() == mask.keys()
    assert all(torch.equal(found[name], mask[name]) for name in mask)
    save_network(tmp_path / "again", loaded, found)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "net").read_bytes()


def test_the_mask_is_packed_highest_bit_first(tmp_path: Path) -> None:
    network = build_network(ModelParams(layers=[3, 3]))
    mask = {"layers.1.weight": torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1]]).bool()}
    with torch.no_grad():
        network.layers[1].weight.copy_(torch.arange(1, 10).reshape(3, 3) * mask["layers.1.weight"])
    save_network(tmp_path / "net", network, mask)
    stored = load_file(tmp_path / "net")
    assert stored.keys() == {"layers.1.weight.mask", "layers.1.weight.kept", "layers.1.bias"}
    assert stored["layers.1.weight.mask"].tolist() == [0b10011000, 0b10000000]
    assert stored["layers.1.weight.kept"].tolist() == [1, 4, 5, 9]


def test_at_95_percent_a_net_takes_a_tenth_of_the_bytes(tmp_path: Path) -> None:
    network = build_network(ModelParams(layers=[64, 128, 64, 10]))
    mask = pruned(network, 0.05)
    save_network(tmp_path / "dense", network)
    save_network(tmp_path / "sparse", network, mask)
    assert (tmp_path / "sparse").stat().st_size < 0.11 * (tmp_path / "dense").stat().st_size


def test_a_mask_that_does_not_fit_or_is_broken_is_refused(tmp_path: Path) -> None:
    network = made()
    mask = pruned(network, 0.5)
    for wrong in ({"layers.9.weight": mask["layers.1.weight"]}, {"layers.1.weight": mask["layers.4.weight"]}):
        with pytest.raises(ValueError, match="mask of layers.*no weight of this name and shape"):
            save_network(tmp_path / "net", network, wrong)
    with torch.no_grad():
        network.layers[4].weight += 1
    with pytest.raises(ValueError, match="layers.4.weight: .* weights outside the mask are not zero"):
        save_network(tmp_path / "net", network, mask)
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize("change", ["values", "no values", "mask"])
def test_a_damaged_sparse_net_is_refused(tmp_path: Path, change: str) -> None:
    network, name = made(), "layers.1.weight"
    save_network(tmp_path / "net", network, pruned(network, 0.5))
    tensors = load_file(tmp_path / "net")
    part = f"{name}.mask" if change == "mask" else f"{name}.kept"
    tensors[part] = tensors[part][1:]
    if change == "no values":
        del tensors[part]
    save_file(tensors, tmp_path / "net", metadata={"model": SPEC.model_dump_json()})
    with pytest.raises(NetworkFileError, match=f"net: .*{name}"):
        load_network(tmp_path / "net")


def test_masks_alone_come_back_by_name(tmp_path: Path) -> None:
    network = made()
    masks = {"0.90": pruned(made(), 0.1), "0.50": pruned(made(), 0.5, seed=1)}
    save_masks(tmp_path / "masks", masks)
    loaded = load_masks(tmp_path / "masks", network)
    assert list(loaded) == ["0.50", "0.90"]
    assert all(torch.equal(loaded[key][name], masks[key][name]) for key in masks for name in masks[key])
    assert list(loaded["0.90"]) == ["layers.1.weight", "layers.4.weight"]
    save_masks(tmp_path / "again", loaded)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "masks").read_bytes()
    with pytest.raises(NetworkFileError, match=r"masks: the mask of layers.4.weight does not fit"):
        load_masks(tmp_path / "masks", build_network(ModelParams(layers=[6, 5, 30])))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ('{"layers": [4, 2], "threshold": 1e39}', "its model is none that this version allows: .*threshold"),
        ('{"layers": [4, 2]}', "weights do not fit the network"),
        (None, "damaged or not a safetensors file"),  # a folder
    ],
)
def test_a_file_of_another_maker_is_refused(tmp_path: Path, model: str | None, message: str) -> None:
    path = tmp_path / "net" if model else tmp_path
    if model:
        save_file({"a": torch.ones(2)}, path, {"model": model})
    with pytest.raises(NetworkFileError, match=f"(?s)^{path}: {message}"):
        load_network(path)
