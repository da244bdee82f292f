"""Whole networks: the fused pass against the snnTorch loop, and both against a model written by hand in snnTorch."""

from collections.abc import Callable

import pytest
import snntorch
import torch
from snntorch import surrogate as snntorch_surrogate
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.lif import run_loop
from snnprune.core.encoding import encode, is_constant
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import MultiStepDropout, SpikingNetwork, build_network, run_fused
from snnprune.core.params import Direct, Encoding, Latency, ModelParams, NoisyDirect, Rate, Surrogate

ENCODINGS = [
    Direct(name="direct"),
    NoisyDirect(name="noisy_direct", sigma=0.2),
    Rate(name="rate"),
    Latency(name="latency"),
]
STEPS = 6


def seeded_images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(3))


def amplify(layers: nn.Module) -> None:
    """Scale the weights up, so that freshly drawn networks spike in every layer and under every encoding."""
    with torch.no_grad():
        for layer in layers:
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.weight.mul_(4.0)


def make_network(encoding: Encoding, reset: str = "subtract", surrogate: Surrogate | None = None) -> SpikingNetwork:
    torch.manual_seed(0)
    spec = ModelParams(
        layers=[16, 24, 12, 5],
        beta=0.9,
        reset=reset,
        surrogate=surrogate or Surrogate(),
        timesteps=STEPS,
        encoding=encoding,
    )
    network = build_network(spec)
    amplify(network.layers)
    return network


def gradients(layers: nn.Module, spikes: Tensor) -> list[Tensor]:
    """Gradients of a loss that weighs every output spike differently."""
    weights = torch.randn(spikes.shape, generator=torch.Generator().manual_seed(9))
    return list(torch.autograd.grad((spikes * weights).sum(), list(layers.parameters())))


def require_equal(found: Tensor, expected: Tensor, found_layers: nn.Module, expected_layers: nn.Module) -> None:
    """The same spikes (some, not all possible ones) and the same gradient of every parameter."""
    assert torch.equal(found, expected)
    assert 0.01 < expected.mean() < 0.99
    pairs = zip(gradients(found_layers, found), gradients(expected_layers, expected), strict=True)
    for one, other in pairs:
        assert other.norm() > 0
        assert (one - other).norm() < 1e-5 * other.norm()


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_fused_equals_loop_for_every_encoding(encoding: Encoding, reset: str) -> None:
    for surrogate in (Surrogate(), Surrogate(name="fast_sigmoid", slope=5.0)):
        network = make_network(encoding, reset, surrogate)
        values = encode(seeded_images(32, 1, 4, 4), encoding, STEPS, seed=1)
        fused = run_fused(network.layers, values, STEPS, is_constant(encoding))
        loop = run_loop(network.layers, values, STEPS, is_constant(encoding))
        assert fused.shape == (STEPS, 32, 5)
        require_equal(fused, loop, network.layers, network.layers)


def require_equals_reference(network: SpikingNetwork, reference: nn.Module, images: Tensor) -> None:
    """The same spikes and gradients as a model in snnTorch that is given the network's weights and encoded input."""
    with torch.no_grad():
        for parameter, own in zip(reference.parameters(), network.parameters(), strict=True):
            parameter.copy_(own)
    encoded, encoding = encode(images, network.spec.encoding, STEPS, seed=1), network.spec.encoding
    currents = encoded.expand(STEPS, *encoded.shape) if is_constant(encoding) else encoded
    require_equal(network.spikes(images, seed=1), reference(currents), network, reference)


class HandWritten(nn.Module):
    """The network as snnTorch's tutorials write one, with no module of the project in it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(16, 24), nn.Linear(24, 12), nn.Linear(12, 5)
        spike_grad = snntorch_surrogate.atan(alpha=2.0)
        self.lif1, self.lif2, self.lif3 = (snntorch.Leaky(beta=0.9, spike_grad=spike_grad) for _ in range(3))

    def forward(self, currents: Tensor) -> Tensor:
        membrane1, membrane2, membrane3 = (lif.init_leaky() for lif in (self.lif1, self.lif2, self.lif3))
        outputs = []
        for current in currents:
            spikes1, membrane1 = self.lif1(self.fc1(current.flatten(1)), membrane1)
            spikes2, membrane2 = self.lif2(self.fc2(spikes1), membrane2)
            spikes3, membrane3 = self.lif3(self.fc3(spikes2), membrane3)
            outputs.append(spikes3)
        return torch.stack(outputs)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_network_equals_a_hand_written_snntorch_model(encoding: Encoding) -> None:
    require_equals_reference(make_network(encoding), HandWritten(), seeded_images(32, 1, 4, 4))


CONVOLUTIONAL = "1x12x10-4C3-MP2-6C2-MP2-5"


def convolutional(encoding: Encoding, layers: str = CONVOLUTIONAL) -> SpikingNetwork:
    torch.manual_seed(1)
    network = build_network(ModelParams(layers=layers, timesteps=STEPS, encoding=encoding))
    amplify(network.layers)
    return network


@pytest.mark.parametrize("layers", [CONVOLUTIONAL, "12x10-3C4-4C3-7-5"])
@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_fused_equals_loop_for_convolutions(encoding: Encoding, layers: str) -> None:
    network = convolutional(encoding, layers)
    images = seeded_images(16, 1, 12, 10)
    values = encode(images, encoding, STEPS, seed=1)
    fused = network.spikes(images, seed=1)
    assert fused.shape == (STEPS, 16, 5)
    loop = run_loop(network.layers, values, STEPS, is_constant(encoding))
    require_equal(fused, loop, network.layers, network.layers)


class Tutorial(nn.Module):
    """The convolutional network as snnTorch's tutorial 6 writes it, with no module of the project in it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.fc1 = nn.Conv2d(1, 12, 5), nn.Conv2d(12, 64, 5), nn.Linear(64 * 4 * 4, 10)
        spike_grad = snntorch_surrogate.atan(alpha=2.0)
        self.lif1, self.lif2, self.lif3 = (snntorch.Leaky(beta=0.9, spike_grad=spike_grad) for _ in range(3))

    def forward(self, currents: Tensor) -> Tensor:
        membrane1, membrane2, membrane3 = (lif.init_leaky() for lif in (self.lif1, self.lif2, self.lif3))
        outputs = []
        for current in currents:
            current1 = functional.max_pool2d(self.conv1(current), 2)
            spikes1, membrane1 = self.lif1(current1, membrane1)
            current2 = functional.max_pool2d(self.conv2(spikes1), 2)
            spikes2, membrane2 = self.lif2(current2, membrane2)
            current3 = self.fc1(spikes2.view(len(current), -1))
            spikes3, membrane3 = self.lif3(current3, membrane3)
            outputs.append(spikes3)
        return torch.stack(outputs)


@pytest.mark.parametrize("encoding", [ENCODINGS[0], ENCODINGS[2]], ids=lambda encoding: encoding.name)
def test_the_tutorials_network_equals_one_written_in_snntorch(encoding: Encoding) -> None:
    network = convolutional(encoding, "28x28-12C5-MP2-64C5-MP2-10")
    require_equals_reference(network, Tutorial(), seeded_images(8, 1, 28, 28))


# The observer

Seen = list[tuple[nn.Module, tuple[int, ...], bool]]


def watched(network: SpikingNetwork, images: Tensor) -> tuple[Tensor, Seen]:
    seen: Seen = []
    spikes = network.spikes(
        images, seed=1, observe=lambda layer, values, constant: seen.append((layer, tuple(values.shape), constant))
    )
    return spikes, seen


def test_the_observer_sees_every_layer_of_a_constant_input() -> None:
    network = convolutional(ENCODINGS[0])
    images = seeded_images(3, 1, 12, 10)
    spikes, seen = watched(network, images)
    assert torch.equal(spikes, network.spikes(images))
    assert [layer for layer, _, _ in seen] == list(network.layers)
    t, b = STEPS, 3
    assert [(shape, constant) for _, shape, constant in seen] == [
        ((b, 1, 12, 10), True),  # 4C3
        ((b, 4, 10, 8), True),  # MP2
        ((b, 4, 5, 4), True),  # its neurons: what they give has time
        ((t, b, 4, 5, 4), False),  # 6C2
        ((t, b, 6, 4, 3), False),  # MP2
        ((t, b, 6, 2, 1), False),  # its neurons
        ((t, b, 6, 2, 1), False),  # Flatten
        ((t, b, 12), False),  # 5
        ((t, b, 5), False),  # its neurons
    ]


@pytest.mark.parametrize("encoding", ENCODINGS[1:], ids=lambda encoding: encoding.name)
def test_the_observer_sees_an_encoded_input_with_time(encoding: Encoding) -> None:
    network = make_network(encoding)
    images = seeded_images(3, 1, 4, 4)
    spikes, seen = watched(network, images)
    assert torch.equal(spikes, network.spikes(images, seed=1))
    assert [layer for layer, _, _ in seen] == list(network.layers)
    sizes = [(1, 4, 4), (16,), (24,), (24,), (12,), (12,), (5,)]
    assert [(shape, constant) for _, shape, constant in seen] == [((STEPS, 3, *size), False) for size in sizes]


def test_what_the_observer_sees_is_what_the_layers_get() -> None:
    network = make_network(ENCODINGS[0])
    images = seeded_images(3, 1, 4, 4)
    inputs: list[Tensor] = []
    spikes = network.spikes(images, observe=lambda layer, values, constant: inputs.append(values))
    flatten, linear, leaky = network.layers[:3]
    for found, expected in zip(
        inputs[:4],
        [images, flatten(images), linear(flatten(images)), leaky.multi_step(linear(flatten(images)), STEPS)],
        strict=True,
    ):
        assert torch.equal(found, expected)
    assert torch.equal(spikes, network.layers[-1].multi_step(inputs[-1]))


def test_forward_is_the_spike_count() -> None:
    network = make_network(ENCODINGS[0])
    images = seeded_images(8, 1, 4, 4)
    counts = network(images)
    assert torch.equal(counts, network.spikes(images).sum(0))
    assert counts.shape == (8, 5)
    assert set(counts.unique().tolist()) <= set(map(float, range(STEPS + 1)))
    assert len(counts.unique()) > 2


def test_seed_fixes_the_encoding() -> None:
    network = make_network(Rate(name="rate"))
    images = seeded_images(8, 1, 4, 4)
    assert torch.equal(network(images, seed=4), network(images, seed=4))
    assert not torch.equal(network(images, seed=4), network(images, seed=5))
    assert not torch.equal(network(images), network(images))


def test_constant_input_without_a_spiking_layer_is_repeated() -> None:
    layers = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    images = seeded_images(2, 1, 4, 4)
    fused = run_fused(layers, images, STEPS, constant=True)
    assert fused.shape == (STEPS, 2, 3)
    assert torch.equal(fused, run_loop(layers, images, STEPS, constant=True))


def test_build_network_follows_the_spec() -> None:
    layers = list(build_network(ModelParams(layers=[4, 3, 2], dropout=0.2)).layers)
    kinds = [nn.Flatten, nn.Linear, MultiStepLeaky, MultiStepDropout, nn.Linear, MultiStepLeaky]
    assert [type(layer) for layer in layers] == kinds
    assert layers[1].weight.shape == (3, 4)
    assert layers[3].p == 0.2
    plain = build_network(ModelParams(layers=[4, 3, 2], beta=0.5, threshold=2.0, reset="zero"))
    assert [type(layer) for layer in plain.layers] == [kind for kind in kinds if kind is not MultiStepDropout]
    neuron = plain.layers[2]
    assert (neuron.beta.item(), neuron.threshold.item(), neuron.reset_mechanism) == (0.5, 2.0, "zero")


def test_build_network_follows_a_notation() -> None:
    layers = list(build_network(ModelParams(layers="8x8-2C3-3C3-MP2-6-5", dropout=0.2)).layers)
    assert [type(layer) for layer in layers] == [
        *(nn.Conv2d, MultiStepLeaky, MultiStepDropout),
        *(nn.Conv2d, nn.MaxPool2d, MultiStepLeaky, MultiStepDropout),
        *(nn.Flatten, nn.Linear, MultiStepLeaky, MultiStepDropout),
        *(nn.Linear, MultiStepLeaky),
    ]


def test_weights_are_drawn_layer_after_layer_as_torch_draws_them() -> None:
    def drawn(*layers: nn.Module) -> list[Tensor]:
        return [parameter for layer in layers for parameter in layer.parameters()]

    def require_drawn(layers: list[int] | str, make: Callable[[], list[Tensor]]) -> None:
        torch.manual_seed(7)
        expected = make()
        torch.manual_seed(7)
        found = build_network(ModelParams(layers=layers, dropout=0.1)).parameters()
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))

    require_drawn([6, 5, 3], lambda: drawn(nn.Linear(6, 5), nn.Linear(5, 3)))
    require_drawn("6-5-3", lambda: drawn(nn.Linear(6, 5), nn.Linear(5, 3)))
    require_drawn("4x4-2C2-MP3-3", lambda: drawn(nn.Conv2d(1, 2, 2), nn.Linear(2, 3)))


def test_weights_come_from_the_global_generator() -> None:
    def drawn(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return build_network(ModelParams(layers=[4, 3, 2])).layers[1].weight

    assert torch.equal(drawn(0), drawn(0))
    assert not torch.equal(drawn(0), drawn(1))
