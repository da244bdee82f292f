"""Targets for networks that are no plain sequence: equal spikes in C, CSR, NIR and ONNX, hand-worked ones too, and
errors that name what a target cannot express."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import Tensor, nn

from snnprune.adapters.adapt import adapt
from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.network import encoded_input, evaluating
from snnprune.core.params import Frames
from snnprune.export.parity import differences
from snnprune.export.registry import load_target
from snnprune.export.taps import taps_of
from tests.snnprune.export.graphs import STEPS, Currents, Recurrent, Residual, adapted, frames, samples

NEEDS = {"onnx": "onnxruntime", "nir": "nir"}
FRAMES = {"timesteps": STEPS, "encoding": Frames(name="frames")}
NETS: dict[str, Callable[[], AdaptedNetwork]] = {
    "residual, average": lambda: adapted(Residual(nn.AvgPool2d(2, 1, padding=1))),
    "residual, sum": lambda: adapted(Residual(nn.AvgPool2d(3, 1, divisor_override=1), nn.Conv2d(4, 4, 3, padding=1))),
    "vectors": lambda: adapted(Recurrent("subtract", True, conv=False), timesteps=STEPS),
    "vectors, subtract at once": lambda: adapted(Recurrent("subtract", False, conv=False), timesteps=STEPS),
    "subtract": lambda: adapted(Recurrent("subtract", True), timesteps=STEPS),
    "zero at once": lambda: adapted(Recurrent("zero", False), timesteps=STEPS),
    "currents": lambda: adapted(Currents(), **FRAMES),
    "residual, maximum": lambda: adapted(Residual(nn.MaxPool2d(3, 1, dilation=(1, 2), padding=1))),
    "subtract at once": lambda: adapted(Recurrent("subtract", False), timesteps=STEPS),
    "zero": lambda: adapted(Recurrent("zero", True), timesteps=STEPS),
    "no reset": lambda: adapted(Recurrent("none", True), timesteps=STEPS),
}
NIRS = ("residual, sum", "vectors", "vectors, subtract at once", "currents")


def needed(target: str) -> None:
    if (package := NEEDS.get(target)) and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


def written(folder: Path, network: AdaptedNetwork, target: str) -> dict[str, Any]:
    exported = load_target(target).export(network, ())
    for file, content in exported.files.items():
        (folder / file).write_bytes(content)
    return dict(exported.about)


def counts(network: AdaptedNetwork, images: Tensor) -> Tensor:
    with torch.no_grad(), evaluating(network):
        return network(images, seed=0)


@pytest.mark.parametrize("target", ["c", "csr", "onnx", "nir"])
@pytest.mark.parametrize("kind", NETS)
def test_spikes_are_the_networks(kind: str, target: str, tmp_path: Path) -> None:
    needed(target)
    if target == "nir" and kind not in NIRS:
        pytest.skip("NIR has no such network")
    torch.manual_seed(0)
    network = NETS[kind]()
    images = frames() if kind == "currents" else samples()
    own = counts(network, images)
    assert len(own.unique(dim=0)) >= 8  # otherwise equality says little
    written(tmp_path, network, target)
    found = load_target(target).run(tmp_path, encoded_input(network.spec, images, None, 0)[0])
    assert torch.equal(found.float(), own)


@pytest.mark.parametrize("target", ["c", "csr", "onnx", "nir"])
def test_a_residual_neuron_worked_by_hand(target: str, tmp_path: Path) -> None:
    """x = 1, u = 0.5 u + (0.75 x + 0.5 x) - (1 after a spike): 1.25 s, 0.875, 1.6875 s, 1.09375 s; the other neuron
    has 0.75 x - 0.5 x = 0.25: 0.25, 0.375, 0.4375, 0.46875."""
    needed(target)

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(1, 2, bias=False), nn.Linear(1, 2, bias=False)
            self.lif = snn.Leaky(beta=0.5, init_hidden=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.lif(self.a(x) + self.b(x))

    net = Two()
    net.a.weight.data, net.b.weight.data = torch.tensor([[0.75], [0.75]]), torch.tensor([[0.5], [-0.5]])
    network = adapt(net, torch.rand(4, 1), timesteps=4).network
    about = written(tmp_path, network, target)
    assert load_target(target).run(tmp_path, torch.ones(1, 1)).tolist() == [[3, 0]]
    if target in ("c", "csr"):
        assert (about["taps"], about["neurons"], about["neuron_updates"]) == (4, 2, 8)
        assert about["synaptic_operations_at_most"] == 4  # of a constant input, once
    if target == "c":  # places of 3 starts and 2 taps in a byte each, 4 weights, 4 biases; beta and threshold
        assert about["flash_bytes"] == 2 * (3 + 2) + 4 * (4 + 4) + 4 * 2
        assert about["ram_bytes"] == 4 * ((1 + 2 + 2 + 2) + 2 + 2 + 2)  # values, potentials, the sum, counts


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), (4, 11)),
        (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 3)), (4, 9, 8)),
        (nn.Conv2d(3, 6, (2, 4), padding="same", groups=3), (3, 6, 7)),
        (nn.AvgPool2d((2, 3), stride=(1, 2), padding=(1, 0)), (3, 6, 8)),
        (nn.MaxPool2d(3, stride=2, padding=1), (3, 8, 9)),
    ],
)
def test_taps_are_torchs_layers(layer: nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    values, taps = torch.randn(shape), taps_of("layer", layer.eval(), shape)
    expected = layer(values[None])[0].detach()
    layout, at = taps.layout, np.arange(taps.height)[:, None] * taps.y_step + np.arange(taps.width) * taps.x_step
    laid = np.full((layout.channels, layout.padded_height, layout.padded_width), -np.inf if taps.highest else 0.0)
    inner = slice(layout.top, layout.top + layout.height), slice(layout.left, layout.left + layout.width)
    laid[:, *inner] = values.reshape(layout.channels, layout.height, layout.width)
    found = []
    for row, bias in enumerate(taps.bias):
        own = slice(taps.starts[row], taps.starts[row + 1])
        seen = laid.ravel()[taps.columns[own, None, None] + at]
        found.append(seen.max(0) if taps.highest else bias + (taps.values[own, None, None] * seen).sum(0))
    torch.testing.assert_close(torch.tensor(np.array(found)).float().reshape(expected.shape), expected)


def test_the_state_dict_has_the_users_own_names(tmp_path: Path) -> None:
    network = NETS["residual, average"]()
    written(tmp_path, network, "state-dict")
    state = torch.load(tmp_path / "weights.pt", weights_only=True)
    fresh = Residual(nn.AvgPool2d(2, 1, padding=1))
    fresh.load_state_dict(state, strict=True)
    assert torch.equal(fresh.conv1.weight, network.net.conv1.weight)
    about = json.loads((tmp_path / "metadata.json").read_text())
    assert about["neurons"]["lif2"] == {
        "kind": "Leaky", "beta": [0.0, 0.75], "threshold": 0.5, "reset": "subtract", "reset_delay": True,
    }  # fmt: skip
    with pytest.raises(UserError, match="the state dict is run by your own class only"):
        load_target("state-dict").run(tmp_path, samples())


def test_differences_of_currents_are_those_beyond_rounding(tmp_path: Path) -> None:
    network, images = NETS["currents"](), frames()
    written(tmp_path, network, "csr")
    labels = counts(network, images).argmax(1)
    found = differences(network, load_target("csr"), tmp_path, Split(images, labels))
    assert found.as_dict() == {"samples": 40, "decisions": 0, "counts": 0, "accuracy": 1.0}
    with torch.no_grad():
        network.net.fc.bias += 0.125
    assert differences(network, load_target("csr"), tmp_path, Split(images, labels)).counts == 40


def test_targets_that_need_a_plain_sequence_or_a_chain_say_so() -> None:
    with pytest.raises(UserError, match="Currents .*; state-dict takes any network, csr, c, onnx and nir most"):
        load_target("compact").export(NETS["currents"](), ())
    for target in ("c-int8", "c-int4"):
        with pytest.raises(UserError, match="fc: a last layer without neurons has no integer form; allowed are"):
            load_target(target).export(NETS["currents"](), ())


class Odd(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.fc, self.lif = layer, nn.Linear(36, 4), snn.Leaky(beta=0.5, init_hidden=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lif(self.fc(self.layer(x).flatten(1)))


@pytest.mark.parametrize("target", ["c", "csr", "onnx"])
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            nn.Sequential(nn.AvgPool2d(1), nn.Sigmoid()),
            r"layer.1: Sigmoid is not possible; possible are Linear, Conv1d",
        ),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), r"layer \(Conv2d\): padding_mode reflect is not poss"),
        (nn.AvgPool2d(3, 1, padding=1, count_include_pad=False), r"layer \(AvgPool2d\): ceil_mode, or padding that is"),
        (nn.Linear(6, 6), r"layer \(Linear\): reads values \[1, 6, 6\]; possible are vectors"),
    ],
)
def test_what_cannot_be_expressed_is_named(layer: nn.Module, message: str, target: str) -> None:
    needed(target)
    network = adapt(Odd(layer), torch.rand(4, 1, 6, 6), timesteps=3, fast=False).network
    with pytest.raises(UserError, match=message):
        load_target(target).export(network, ())


def test_the_equations_of_nir_give_the_same_spikes_where_the_reset_is_nirs_own(tmp_path: Path) -> None:
    """A residual sum, recurrent and synaptic neurons that reset to zero at once, by a second interpreter."""
    nir = pytest.importorskip("nir")
    from tests.snnprune.nir.equations import interpret

    class NirsOwn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            options = {"init_hidden": True, "reset_mechanism": "zero", "reset_delay": False, "threshold": 0.5}
            self.fc1, self.lif = nn.Linear(64, 12), snn.Leaky(beta=torch.linspace(0.25, 0.75, 12), **options)
            self.fc2, self.norm = nn.Linear(12, 12), nn.BatchNorm1d(12)
            self.rec = snn.RLeaky(beta=0.5, linear_features=12, learn_beta=True, **options)
            self.fc3, self.syn = nn.Linear(12, 8), snn.Synaptic(alpha=0.5, beta=0.5, **options)

        def forward(self, x: Tensor) -> Tensor:
            spikes = self.lif(self.fc1(x.flatten(1)))
            return self.syn(self.fc3(self.rec(self.norm(self.fc2(spikes)) + spikes)))

    torch.manual_seed(0)
    network, images = adapted(NirsOwn(), timesteps=STEPS), samples()
    own = counts(network, images)
    assert len(own.unique(dim=0)) >= 8
    about = written(tmp_path, network, "nir")
    assert about["notes"] == ["resets to zero, which is NIR's own reset: every reader has the same neurons"]
    values = images.expand(STEPS, *images.shape).numpy()
    found = interpret(nir.read(tmp_path / "network.nir"), values, 1e-4).sum(0)
    assert np.array_equal(found, own.numpy())
