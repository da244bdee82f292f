"""A trained net of digits as a NIR file: what comes back, and what readers make of it that know only NIR."""

import json
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

nir = pytest.importorskip("nir")

import snnprune  # noqa: E402
from snnprune.core.encoding import encode  # noqa: E402
from snnprune.core.network import SpikingNetwork  # noqa: E402
from snnprune.export.nir import FILE, run_nir, run_nir_elsewhere, to_nir  # noqa: E402
from snnprune.nir.package import NirError  # noqa: E402
from snnprune.nir.reading import read  # noqa: E402
from snnprune.nir.sequence import to_spiking  # noqa: E402
from tests.snnprune.nir.equations import interpret  # noqa: E402

NAMES = [f"digit {label}" for label in range(10)]


def digits() -> tuple[Tensor, Tensor]:
    found = load_digits()
    return torch.tensor(found.images[:, None] / 16, dtype=torch.float32), torch.tensor(found.target)


@pytest.fixture(scope="module", params=["subtract", "zero"])
def nets(request: pytest.FixtureRequest) -> dict[str, SpikingNetwork]:
    """A dense net, and one pruned to 0.9, trained for seconds."""
    torch.set_num_threads(1)
    images, labels = digits()
    train = images[:1400], labels[:1400]
    training = snnprune.Training(epochs=8, lr=0.005)
    made = snnprune.build([64, 64, 10], timesteps=10, reset=request.param)
    dense = snnprune.train(made, train, training=training)
    finetune = snnprune.Finetune(epochs=3, lr=0.002)
    return {"dense": dense, "cqp@0.90": snnprune.prune(dense, train, level=0.9, finetune=finetune).network}


def written(network: SpikingNetwork, folder: Path) -> Path:
    for name, content in to_nir(network, NAMES).files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("net", ["dense", "cqp@0.90"])
def test_it_comes_back_as_it_was(net: str, nets: dict[str, SpikingNetwork], tmp_path: Path) -> None:
    network = nets[net]
    images, labels = digits()
    folder = written(network, tmp_path)
    with torch.no_grad():
        expected = network(images)
    assert (expected[1400:].argmax(1) == labels[1400:]).double().mean().item() > 0.7
    assert torch.equal(run_nir(folder, images), expected)
    back = to_spiking(read(folder / FILE))
    assert back.spec == network.spec
    assert back.state_dict().keys() == network.state_dict().keys()
    assert all(map(torch.equal, back.state_dict().values(), network.state_dict().values()))


@pytest.mark.parametrize("net", ["dense", "cqp@0.90"])
def test_the_equations_of_nir_decide_as_we_say(net: str, nets: dict[str, SpikingNetwork], tmp_path: Path) -> None:
    """With NIR's reset, and where the net resets to zero, that is the net itself."""
    network, (images, _) = nets[net], digits()
    folder = written(network, tmp_path)
    values = images.flatten(1).expand(10, -1, -1).numpy()
    expected = torch.from_numpy(interpret(nir.read(folder / FILE), values, 1e-4).sum(0))
    found = run_nir_elsewhere(folder, images)
    assert torch.equal(found.argmax(1), expected.argmax(1))
    with torch.no_grad():
        own = network(images).argmax(1)
    assert torch.equal(own, expected.argmax(1)) == (network.spec.reset == "zero")


def test_only_a_reset_to_zero_is_nirs_own(nets: dict[str, SpikingNetwork]) -> None:
    network = nets["dense"]
    (note,) = to_nir(network).about["notes"]
    begin = "resets to zero, which is NIR's own" if network.spec.reset == "zero" else "resets by subtraction, one step"
    assert note.startswith(begin)


def test_metadata_say_how_the_network_is_fed_and_read(nets: dict[str, SpikingNetwork], tmp_path: Path) -> None:
    network = nets["dense"]
    (tmp_path / FILE).write_bytes(to_nir(network, NAMES, exit_threshold=0.5).files[FILE])
    graph = nir.read(tmp_path / FILE)
    said = json.loads(graph.metadata["snnprune"])
    assert said["timesteps"] == 10
    assert said["encoding"] == {"name": "direct"}
    assert (said["reset"], said["reset_delay"]) == (network.spec.reset, True)
    assert (said["readout"], said["classes"], said["dt"], said["exit_threshold"]) == ("count", NAMES, 1e-4, 0.5)
    assert graph.nodes["2"].metadata == {"reset": network.spec.reset, "reset_delay": True}


def test_equal_networks_are_equal_bytes(nets: dict[str, SpikingNetwork]) -> None:
    assert to_nir(nets["dense"]) == to_nir(nets["dense"])


@pytest.mark.parametrize("encoding", [{"name": "rate"}, {"name": "frames"}])
def test_an_input_that_changes_and_convolutions(encoding: dict[str, str], tmp_path: Path) -> None:
    network = snnprune.build("1x8x8-6C3S2-10", timesteps=6, encoding=encoding, threshold=0.2)
    images = digits()[0][:700]
    if encoding["name"] == "frames":
        images = (images[:, None] > torch.rand(700, 6, 1, 8, 8, generator=torch.Generator().manual_seed(0))).float()
    folder = written(network, tmp_path)
    inputs = encode(images, network.spec.encoding, 6, seed=1)
    with torch.no_grad():
        expected = network(images, seed=1)
    assert 0.01 < expected.mean() / 6 < 0.9
    assert torch.equal(run_nir(folder, inputs), expected)


def test_max_pooling_is_refused() -> None:
    with pytest.raises(NirError, match="1: NIR cannot express MaxPool2d; allowed are Linear"):
        to_nir(snnprune.build("8x8-4C3-MP2-10"))


@torch.no_grad()
def test_spikingjelly_reads_the_file_and_decides_as_we_say(nets: dict[str, SpikingNetwork], tmp_path: Path) -> None:
    nir_exchange = pytest.importorskip("spikingjelly.activation_based.nir_exchange")
    folder, (images, _) = written(nets["dense"], tmp_path), digits()
    theirs, state, counts = nir_exchange.import_from_nir(str(folder / FILE), dt=1e-4), None, torch.zeros(1797, 10)
    for _ in range(10):
        spikes, state = theirs(images.flatten(1), state)
        counts += spikes
    assert torch.equal(counts, run_nir_elsewhere(folder, images))
