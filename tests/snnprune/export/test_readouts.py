"""Exports of networks that are read at membrane potentials: worked by hand, and held to the network in every target."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import snntorch as snn
import torch
from torch import Tensor, nn

from snnprune.adapters.adapt import adapt
from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.network import evaluating
from snnprune.export.parity import differences
from snnprune.export.registry import load_target
from tests.snnprune.export.graphs import STEPS, adapted, samples

TARGETS = ["c", "csr", "onnx", "nir"]


def needed(target: str) -> None:
    if (package := {"onnx": "onnxruntime", "nir": "nir"}.get(target)) and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


def written(folder: Path, network: AdaptedNetwork, target: str) -> dict[str, Any]:
    needed(target)
    exported = load_target(target).export(network, ())
    for file, content in exported.files.items():
        (folder / file).write_bytes(content)
    return dict(exported.about)


class Two(nn.Module):
    """Two neurons of one input, one step a call."""

    def __init__(self, **neuron: Any) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(1, 2, bias=False), snn.Leaky(beta=0.5, init_hidden=True, output=True, **neuron)
        self.fc.weight.data = torch.tensor([[1.25], [0.75]])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.lif(self.fc(x))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("neuron", "readout", "expected"),
    [
        ({}, "count", [1, 1]),
        ({}, "mean-membrane", [1.0625, 0.9375]),
        ({}, "last-membrane", [0.875, 1.125]),
        ({"reset_delay": False}, "mean-membrane", [0.3125, 0.4375]),
        ({"reset_delay": False}, "last-membrane", [0.375, 0.125]),
        ({"reset_mechanism": "none"}, "mean-membrane", [1.5625, 0.9375]),
        ({"reset_mechanism": "none"}, "last-membrane", [1.875, 1.125]),
    ],
)
def test_two_neurons_worked_by_hand(
    neuron: dict[str, Any], readout: str, expected: list[float], target: str, tmp_path: Path
) -> None:
    """x = 1, two steps. u = 0.5 u + 1.25: 1.25 s, then 1.875, less 1 for the spike before 0.875; u = 0.5 u + 0.75:
    0.75, then 1.125 s. Reset at once: 0.25, then 1.375 s, 0.375; and 0.75, then 1.125 s, 0.125."""
    network = adapt(Two(**neuron), torch.rand(4, 1), timesteps=2, readout=readout, fast=False).network
    about = written(tmp_path, network, target)
    assert load_target(target).run(tmp_path, torch.ones(1, 1)).tolist() == [expected]
    assert network(torch.ones(1, 1)).tolist() == [expected]
    if target == "nir" and readout != "count":
        elsewhere = load_target(target).run_elsewhere(tmp_path, torch.ones(1, 1))
        li = neuron.get("reset_mechanism") == "none"  # else NIR's reset to zero: 1.25 s, 1.25 s; 0.75, 1.125 s
        assert elsewhere.tolist() == [expected if li else [2, 1]]
        assert ("lif: the membrane potential is read, which NIR's LIF does not give" in str(about["notes"])) != li


class Hidden(nn.Module):
    """Convolutional and plain neurons whose spikes are read, LI neurons whose potentials are, and last neurons."""

    def __init__(self, last: snn.SpikingNeuron) -> None:
        super().__init__()
        self.conv, self.lif1 = nn.Conv2d(1, 2, 3), snn.Leaky(beta=0.5, init_hidden=True)
        self.fc1, self.li = nn.Linear(72, 12), snn.Leaky(beta=0.25, reset_mechanism="none")
        self.fc2, self.lif2 = nn.Linear(12, 12), snn.Leaky(beta=0.5, init_hidden=True, reset_mechanism="zero")
        self.fc3, self.last, self.membrane = nn.Linear(12, 8), last, None

    def forward(self, x: Tensor) -> Any:
        _, self.membrane = self.li(self.fc1(self.lif1(self.conv(x)).flatten(1)), self.membrane)
        return self.last(self.fc3(self.lif2(self.fc2(self.membrane))))


LAST = {
    "subtract": lambda **options: snn.Leaky(beta=0.5, **options),
    "subtract at once": lambda **options: snn.Leaky(beta=0.5, threshold=0.25, reset_delay=False, **options),
    "zero": lambda **options: snn.Leaky(beta=torch.arange(8) % 4 / 4, reset_mechanism="zero", **options),
    "zero at once": lambda **options: snn.Leaky(0.5, reset_mechanism="zero", reset_delay=False, **options),
    "synapse": lambda **options: snn.Synaptic(alpha=0.5, beta=0.25, **options),
    "no reset": lambda **options: snn.Leaky(beta=0.5, reset_mechanism="none", **options),
    "synapse without reset": lambda **options: snn.Synaptic(0.5, 0.25, reset_mechanism="none", **options),
}


class Looped(nn.Module):
    """`Hidden` over STEPS steps; `returns` makes the output of the steps' spikes and potentials [T, B, classes]."""

    def __init__(self, last: str, returns: Any) -> None:
        super().__init__()
        self.step, self.returns = Hidden(LAST[last](init_hidden=True, output=True)), returns

    def forward(self, x: Tensor) -> Any:
        self.step.membrane = torch.zeros(len(x), 12)
        spikes, potentials = [], []
        for _ in range(STEPS):
            out = self.step(x)
            spikes.append(out[0])
            potentials.append(out[-1])
        return self.returns(torch.stack(spikes), torch.stack(potentials))


def scores(network: AdaptedNetwork) -> Tensor:
    """Of all samples: not the same for many of them, or equality would say little."""
    with torch.no_grad(), evaluating(network):
        found = network(samples(), seed=0)
    assert len(found.unique(dim=0)) >= 8
    return found


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("last", "readout"), zip(LAST, ["mean-membrane", "last-membrane"] * 4, strict=False))
def test_scores_are_the_networks(last: str, readout: str, target: str, tmp_path: Path) -> None:
    network = adapted(Looped(last, lambda spikes, potentials: spikes), readout=readout)
    own = scores(network)
    written(tmp_path, network, target)
    assert torch.equal(load_target(target).run(tmp_path, samples()), own)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("returns", "made"),
    [
        (lambda spikes, potentials: potentials, "sum over the steps"),
        (lambda spikes, potentials: potentials.mean(0), "mean over the steps"),
        (lambda spikes, potentials: potentials[-1], "value at the last step"),
    ],
)
def test_potentials_that_forward_itself_returns(returns: Any, made: str, target: str, tmp_path: Path) -> None:
    network = adapted(Looped("no reset", returns))
    own = scores(network)
    written(tmp_path, network, target)
    assert torch.equal(load_target(target).run(tmp_path, samples()), own)
    if target == "c":
        assert f"a score is the output's {made}\n" in (tmp_path / "snn.h").read_text()


@pytest.mark.parametrize(
    ("returns", "readout"),
    [
        (lambda spikes, potentials: potentials.sum(0) / STEPS, "count"),
        (lambda spikes, potentials: spikes[-1], "count"),
        (lambda spikes, potentials: (spikes, potentials), "last-membrane"),
        (lambda spikes, potentials: (spikes.sum(0), potentials.sum(0)), "mean-membrane"),
    ],
)
def test_further_outputs_of_a_forward(returns: Any, readout: str, tmp_path: Path) -> None:
    network = adapted(Looped("zero", returns), readout=readout)
    written(tmp_path, network, "csr")
    assert torch.equal(load_target("csr").run(tmp_path, samples()), scores(network))


def test_differences_are_those_of_scores(tmp_path: Path) -> None:
    network = adapted(Looped("subtract", lambda spikes, potentials: spikes), readout="mean-membrane")
    written(tmp_path, network, "csr")
    split = Split(samples(), scores(network).argmax(1))
    found = differences(network, load_target("csr"), tmp_path, split)
    assert str(found) == "0 of 40 decisions differ, scores of 0; accuracy 100.00 %"
    with torch.no_grad():
        network.net.step.fc3.bias[0] += 0.001
    assert differences(network, load_target("csr"), tmp_path, split).counts == 40


def test_what_cannot_be_read_is_named() -> None:
    def refused(net: nn.Module, message: str, **options: Any) -> None:
        network = adapted(net, **{"readout": "mean-membrane", **options})
        with pytest.raises(UserError, match=message):
            load_target("csr").export(network, ())

    both = Looped("subtract", lambda spikes, potentials: spikes + potentials)
    refused(both, "step.last: its membrane potential is read and its spikes too, which cannot be exp", readout="count")
    refused(
        Looped("subtract", lambda spikes, potentials: (spikes, potentials[-1])),
        "the network's output is step.last's potential, of other steps than the read-out mean-membrane needs; possible",
    )
    recurrent = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), snn.RLeaky(0.5, linear_features=4, init_hidden=True))
    refused(recurrent, "2: the membrane potential of recurrent neurons is read out, which cannot be", timesteps=3)


@pytest.mark.parametrize("last", ["subtract at once", "synapse without reset"])
def test_a_nir_file_as_a_network_decides_alike(last: str, tmp_path: Path) -> None:
    """By a read-out of potentials, and by what it gives at the last step."""
    network = adapted(Looped(last, lambda spikes, potentials: spikes), readout="last-membrane")
    written(tmp_path, network, "nir")
    from snnprune.nir.reading import read

    def again(readout: str) -> AdaptedNetwork:
        net = read(tmp_path / "network.nir")
        return adapt(net, samples(), timesteps=STEPS, readout=readout, fast=False).network

    own = scores(network)
    with torch.no_grad():
        assert torch.equal(again("last-membrane")(samples()), own)
        assert torch.equal(again("count").spikes(samples())[-1], own)
    written(tmp_path, again("last-membrane"), "csr")
    assert torch.equal(load_target("csr").run(tmp_path, samples()), own)


def test_nir_names_what_it_has_no_node_for() -> None:
    needed("nir")
    options = {"init_hidden": True, "reset_mechanism": "none"}
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), snn.Leaky(beta=1.0, **options))
    with pytest.raises(UserError, match=r"2 \(StepNeurons\): beta is 1; allowed without a reset is less"):
        load_target("nir").export(adapted(net, timesteps=3, readout="mean-membrane"), ())
