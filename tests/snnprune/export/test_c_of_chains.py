"""The C program in whole numbers of a user's own chain of layers: padding, BatchNorm and learned neurons, against the
integer runtime."""

import json
from pathlib import Path

import numpy as np
import pytest
import snntorch as snn
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from snnprune.adapters.adapt import adapt
from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.network import encoded_input
from snnprune.core.own_model import Normalize
from snnprune.core.params import Frames, Rate
from snnprune.export.parity import differences
from snnprune.export.registry import load_target
from snnprune.quantise.convert import rounded_chain
from snnprune.quantise.inputs import integer_inputs
from snnprune.quantise.own_chain import own_chain
from tests.snnprune.export.graphs import STEPS, adapted, frames, samples
from tests.snnprune.export.test_c import compiled_bytes

FRAMES, RATE = Frames(name="frames"), Rate(name="rate")


def chain(channels: int, inputs: int, **second: object) -> nn.Sequential:
    """Convolutions that pad."""
    return nn.Sequential(
        nn.Conv2d(channels, 4, (3, 2), stride=(2, 1), padding=(1, 2), bias=False), nn.BatchNorm2d(4),
        snn.Leaky(beta=0.5, learn_beta=True, threshold=0.25, init_hidden=True),
        nn.Conv2d(4, 5, 3, padding="same"), nn.MaxPool2d(2),
        snn.Leaky(beta=torch.linspace(0.25, 0.75, 5)[:, None, None], threshold=0.5, init_hidden=True, **second),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(inputs, 8),
        snn.Leaky(beta=0.5, learn_threshold=True, threshold=0.25, init_hidden=True, output=True),
    )  # fmt: skip


def network(kind: str) -> AdaptedNetwork:
    if kind == "frames":
        net = adapted(chain(2, 20), timesteps=STEPS, encoding=FRAMES)
    else:
        second = {"reset_mechanism": "zero"} if kind == "both resets" else {}
        net = adapted(chain(1, 50, **second), timesteps=STEPS, **({"encoding": RATE} if kind == "rate" else {}))
    conv, norm = net.net[0], net.net[1]
    with torch.no_grad():  # two channels that no input reaches: one fires at every step, one never
        conv.weight[:2] = 0
        norm.running_mean[:2], norm.bias[:2] = 0, torch.tensor([1.0, -1.0])
    return net


def images_of(kind: str) -> Tensor:
    return frames() if kind == "frames" else samples().abs().clamp(max=1)


def written(folder: Path, network: AdaptedNetwork, target: str) -> dict:
    exported = load_target(target).export(network, ())
    for name, content in exported.files.items():
        (folder / name).write_bytes(content)
    return dict(exported.about)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("kind", ["direct", "both resets", "rate", "frames"])
def test_whole_numbers_are_those_of_the_integer_network(kind: str, bits: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, images = network(kind), images_of(kind)
    expected = rounded_chain(own_chain(net), bits).run(integer_inputs(net.spec, images, 0))
    assert len(np.unique(expected, axis=0)) > 8
    about = written(tmp_path, net, f"c-int{bits}")
    found = load_target(f"c-int{bits}").run(tmp_path, encoded_input(net.spec, images, None, 0)[0])
    assert np.array_equal(found.numpy(), expected)
    assert about["rows_as_tables"] == 1 and about["synapses"] > 0
    bytes_taken = compiled_bytes(tmp_path)
    assert bytes_taken == {key: about[key] for key in bytes_taken}


class Digits(nn.Module):
    """As a user writes it: states in the forward, a functional pool, a learned beta."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.lif1 = snn.Leaky(beta=0.8, learn_beta=True)
        self.conv2, self.norm2, self.lif2 = nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), snn.Leaky(beta=0.7)
        self.fc, self.lif3 = nn.Linear(72, 10), snn.Leaky(beta=0.9, threshold=0.8, learn_threshold=True)

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2, mem3 = (neuron.reset_mem() for neuron in (self.lif1, self.lif2, self.lif3))
        spikes = []
        for _ in range(4):
            spk1, mem1 = self.lif1(self.norm1(self.conv1(x)), mem1)
            spk2, mem2 = self.lif2(nn.functional.max_pool2d(self.norm2(self.conv2(spk1)), 2), mem2)
            spk3, mem3 = self.lif3(self.fc(spk2.flatten(1)), mem3)
            spikes.append(spk3)
        return torch.stack(spikes)


def test_a_trained_network_decides_nearly_as_in_float(tmp_path: Path) -> None:
    torch.manual_seed(0)
    digits, net = load_digits(), Digits()
    images, labels = torch.tensor(digits.images[:, None] / 16).float(), torch.tensor(digits.target)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(2):
        for batch in torch.randperm(1400).split(50):
            loss = nn.functional.cross_entropy(net(images[batch]).sum(0), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert net.lif1.beta != 0.8
    taken, test = adapt(net.eval(), images[:50]).network, Split(images[1400:], labels[1400:])
    accuracy = (taken(test.images).argmax(1) == test.labels).double().mean().item()
    assert accuracy > 0.8
    for bits, points in ((8, 0.02), (4, 0.06)):
        target = load_target(f"c-int{bits}")
        written(tmp_path, taken, target.name)
        found = differences(taken, target, tmp_path, test)
        assert abs(found.accuracy - accuracy) < points
        expected = rounded_chain(own_chain(taken), bits).run(integer_inputs(taken.spec, test.images))
        assert np.array_equal(target.run(tmp_path, test.images).numpy(), expected)


def test_a_normalised_network_takes_images_as_they_are(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), snn.Leaky(beta=0.5, init_hidden=True), nn.Flatten()
    net = nn.Sequential(*layers, nn.Linear(144, 5), snn.Leaky(beta=0.5, init_hidden=True, threshold=0.2, output=True))
    images = torch.randint(0, 256, (60, 1, 8, 8)) / 255
    options = {"timesteps": STEPS, "normalize": Normalize(mean=0.1307, std=0.3081)}
    taken = adapt(net.eval(), images, **options).network
    target, labels = load_target("c-int8"), taken(images).argmax(1)
    about = written(tmp_path, taken, "c-int8")
    assert "the weights normalise the input: hand in images as they are, 1.0 as 255" in about["notes"]
    said = "images as they are, 1.0 as 255; the weights normalise them"
    assert f" * input: {said}\n" in (tmp_path / "snn.h").read_text()
    told = json.loads((tmp_path / "metadata.json").read_text())
    assert (
        "normalize" not in told
        and told["input"] == said
        and told["integer"]["normalize"] == {"mean": 0.1307, "std": 0.3081}
    )
    assert differences(taken, target, tmp_path, Split(images, labels)).decisions < 10  # other images: most of 60
    found = target.run(tmp_path, taken.spec.normalize.of(images))
    expected = rounded_chain(own_chain(taken), 8).run((images * 255).round().to(torch.uint8).numpy())
    assert np.array_equal(found.numpy(), expected)
    with pytest.raises(UserError, match="images: the program takes 0 to 1; found 0.1307 to 1.6712"):
        target.run(tmp_path, 5 * images.clamp(min=0, max=1))


class Itself(nn.Module):
    """Makes of its steps what the classes are read from by itself."""

    def __init__(self, made: str) -> None:
        super().__init__()
        self.made, self.fc, self.lif = made, nn.Linear(64, 4), snn.Leaky(beta=0.5)

    def forward(self, x: Tensor) -> Tensor:
        mem, spikes = self.lif.init_leaky(), []
        for _ in range(STEPS):
            spike, mem = self.lif(self.fc(x.flatten(1)), mem)
            spikes.append(spike)
        return torch.stack(spikes).mean(0) if self.made == "mean" else spikes[-1]


def test_spikes_that_are_averaged_by_the_network_itself(tmp_path: Path) -> None:
    images = samples().abs().clamp(max=1)
    torch.manual_seed(0)
    net = adapt(Itself("mean"), images).network
    target = load_target("c-int8")
    for name, content in target.export(net, ()).files.items():
        (tmp_path / name).write_bytes(content)
    found = differences(net, target, tmp_path, Split(images, torch.zeros(len(images), dtype=torch.long)))
    assert found.decisions <= 2 and found.counts <= 4  # of 40; all, were sums held against means
    with pytest.raises(UserError, match="the output: the spikes of the last step alone has no integer form"):
        own_chain(adapt(Itself("last"), images).network)
