"""Whole networks: spikes and gradients against models written in snnTorch, and what an observer sees of a run."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from snnprune.core.encoding import encode, is_constant
from snnprune.core.errors import UserError
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import MultiStepDropout, SpikingNetwork, build_network, run_fused
from snnprune.core.params import Direct, Encoding, Frames, Latency, ModelParams, NoisyDirect, Rate, Surrogate
from tests.snnprune import snntorch_loop

ENCODINGS = [
    Direct(name="direct"),
    NoisyDirect(name="noisy_direct", sigma=0.2),
    Rate(name="rate"),
    Latency(name="latency"),
    Frames(name="frames"),
]
STEPS = 6
WIDE = "1x4x4-24-40-33-5"  # wide enough for `snnprune.sparse.spikes`
DENSE, CONVOLUTIONAL, TUTORIAL = "1x4x4-24-12-5", "1x12x10-4C3-MP2-6C2-MP2-5", "28x28-12C5-MP2-64C5-MP2-10"
# The modules of each network, without its neurons, as one writes them by hand; `None` is where the neurons are.
WRITTEN: dict[str, Callable[[], list[nn.Module | None]]] = {
    DENSE: lambda: [nn.Flatten(), nn.Linear(16, 24), None, nn.Linear(24, 12), None, nn.Linear(12, 5), None],
    WIDE: lambda: [
        *(nn.Flatten(), nn.Linear(16, 24), None, nn.Linear(24, 40), None),
        *(nn.Linear(40, 33), None, nn.Linear(33, 5), None),
    ],
    CONVOLUTIONAL: lambda: [
        *(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), None),
        *(nn.Conv2d(4, 6, 2), nn.MaxPool2d(2), None),
        *(nn.Flatten(), nn.Linear(6 * 2 * 1, 5), None),
    ],
    "12x10-3C4-4C3-7-5": lambda: [
        *(nn.Conv2d(1, 3, 4), None, nn.Conv2d(3, 4, 3), None),
        *(nn.Flatten(), nn.Linear(4 * 7 * 5, 7), None, nn.Linear(7, 5), None),
    ],
    "2x11x9-3C3S2-4C2S2-7-5": lambda: [
        *(nn.Conv2d(2, 3, 3, stride=2), None, nn.Conv2d(3, 4, 2, stride=2), None),
        *(nn.Flatten(), nn.Linear(4 * 2 * 2, 7), None, nn.Linear(7, 5), None),
    ],
    # snnTorch's tutorial 6
    TUTORIAL: lambda: [
        *(nn.Conv2d(1, 12, 5), nn.MaxPool2d(2), None),
        *(nn.Conv2d(12, 64, 5), nn.MaxPool2d(2), None),
        *(nn.Flatten(), nn.Linear(64 * 4 * 4, 10), None),
    ],
}


def make_network(encoding: Encoding = ENCODINGS[0], layers: str = DENSE, **neuron: object) -> SpikingNetwork:
    """Freshly drawn, with weights scaled up so that every layer spikes under every encoding."""
    torch.manual_seed(0)
    network = build_network(ModelParams(layers=layers, timesteps=STEPS, encoding=encoding, **neuron))
    with torch.no_grad():
        for layer in network.layers:
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.weight.mul_(6.0)
    return network


def images_for(network: SpikingNetwork, count: int = 8) -> Tensor:
    shape = (count, *network.spec.sample_shape)
    generator = torch.Generator().manual_seed(3)
    if network.spec.encoding.name == "frames":
        return torch.poisson(torch.full(shape, 0.3), generator=generator).byte()
    return torch.rand(shape, generator=generator)


def gradients(layers: nn.Module, spikes: Tensor) -> list[Tensor]:
    """Gradients of a loss that weighs every output spike differently."""
    weights = torch.randn(spikes.shape, generator=torch.Generator().manual_seed(9))
    return list(torch.autograd.grad((spikes * weights).sum(), list(layers.parameters())))


@pytest.mark.parametrize(
    "neuron",
    [{}, {"reset": "zero"}, {"beta": 0.7, "threshold": 0.8, "surrogate": Surrogate(name="fast_sigmoid", slope=5.0)}],
    ids=["default", "to zero", "fast sigmoid"],
)
@pytest.mark.parametrize("layers", WRITTEN)
@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_spikes_and_gradients_are_those_of_a_network_written_in_snntorch(
    encoding: Encoding, layers: str, neuron: dict[str, object]
) -> None:
    network = make_network(encoding, layers, **neuron)
    written = nn.ModuleList(module or snntorch_loop.leaky(network.spec) for module in WRITTEN[layers]())
    with torch.no_grad():
        for parameter, own in zip(written.parameters(), network.parameters(), strict=True):
            parameter.copy_(own)
    images = images_for(network, 20 if layers == WIDE else 8)
    encoded = encode(images, encoding, STEPS, seed=1)
    expected, _ = snntorch_loop.run(written, [encoded] * STEPS if is_constant(encoding) else encoded)
    found = network.spikes(images, seed=1)
    assert torch.equal(found, expected)
    assert 0.01 < expected.mean() < 0.99
    for one, other in zip(gradients(network, found), gradients(written, expected), strict=True):
        assert other.norm() > 0
        # The products sum in another order; snnTorch's own gradients are up to 1e-5 from those in float64 here.
        assert (one - other).norm() < 3e-5 * other.norm()


@pytest.mark.parametrize("shape", [(3, STEPS, 1, 4, 5), (3, STEPS + 1, 1, 4, 4), (3, 1, 4, 4), (3, STEPS, 2, 4, 4)])
def test_frames_that_do_not_fit_are_named(shape: tuple[int, ...]) -> None:
    network = make_network(Frames(name="frames"))
    with pytest.raises(UserError, match=rf"takes \[B, {STEPS}, 1, 4, 4\]; found \[3, "):
        network(torch.zeros(shape))


def test_frames_of_a_shorter_run_are_the_first_ones() -> None:
    network = make_network(Frames(name="frames"))
    frames = images_for(network)
    other = frames.clone()
    other[:, 2:] = 0
    assert torch.equal(network.spikes(frames, steps=2), network.spikes(other)[:2])


# The observer

Seen = list[tuple[nn.Module, tuple[int, ...], bool]]


def watched(network: SpikingNetwork, images: Tensor) -> tuple[Tensor, Seen]:
    seen: Seen = []
    spikes = network.spikes(
        images, seed=1, observe=lambda layer, values, constant: seen.append((layer, tuple(values.shape), constant))
    )
    return spikes, seen


def test_the_observer_sees_every_layer_of_a_constant_input() -> None:
    network = make_network(layers=CONVOLUTIONAL)
    images = images_for(network, 3)
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
    images = images_for(network, 3)
    spikes, seen = watched(network, images)
    assert torch.equal(spikes, network.spikes(images, seed=1))
    assert [layer for layer, _, _ in seen] == list(network.layers)
    sizes = [(1, 4, 4), (16,), (24,), (24,), (12,), (12,), (5,)]
    assert [(shape, constant) for _, shape, constant in seen] == [((STEPS, 3, *size), False) for size in sizes]


def test_what_the_observer_sees_is_what_the_layers_get() -> None:
    network = make_network()
    images = images_for(network, 3)
    inputs: list[Tensor] = []
    spikes = network.spikes(images, observe=lambda layer, values, constant: inputs.append(values))
    flatten, linear, leaky = network.layers[:3]
    for found, expected in zip(
        inputs[:4],
        [images, flatten(images), linear(flatten(images)), leaky.multi_step(inputs[2], STEPS)],
        strict=True,
    ):
        assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(spikes, network.layers[-1].multi_step(inputs[-1]))


@pytest.mark.parametrize("layers", [[16, 1, 40, 3], [16, 40, 1, 40, 3]])
def test_a_layer_of_one_neuron_is_trained_as_it_is_run(layers: list[int]) -> None:
    torch.manual_seed(0)
    network = build_network(ModelParams(layers=layers, timesteps=STEPS))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()  # so that all spike
    images = torch.rand(20, 1, 4, 4) * 2
    trained = network.train().spikes(images)
    assert trained.any() and torch.equal(trained, network.eval().spikes(images))


def test_forward_is_the_spike_count() -> None:
    network = make_network()
    images = images_for(network)
    counts = network(images)
    assert torch.equal(counts, network.spikes(images).sum(0))
    assert counts.shape == (8, 5)
    assert set(counts.unique().tolist()) <= set(map(float, range(STEPS + 1)))
    assert len(counts.unique()) > 2


def test_seed_fixes_the_encoding() -> None:
    network = make_network(Rate(name="rate"))
    images = images_for(network)
    assert torch.equal(network(images, seed=4), network(images, seed=4))
    assert not torch.equal(network(images, seed=4), network(images, seed=5))
    assert not torch.equal(network(images), network(images))


def test_constant_input_without_a_spiking_layer_is_repeated() -> None:
    layers, images = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), torch.rand(2, 1, 4, 4)
    assert torch.equal(run_fused(layers, images, STEPS, constant=True), layers(images).expand(STEPS, 2, 3))


def test_dropout_stands_after_all_neurons_but_the_last() -> None:
    layers = list(build_network(ModelParams(layers="8x8-2C3-3C3-MP2-6-5", dropout=0.2)).layers)
    assert [type(layer) for layer in layers] == [
        *(nn.Conv2d, MultiStepLeaky, MultiStepDropout),
        *(nn.Conv2d, nn.MaxPool2d, MultiStepLeaky, MultiStepDropout),
        *(nn.Flatten, nn.Linear, MultiStepLeaky, MultiStepDropout),
        *(nn.Linear, MultiStepLeaky),
    ]
    assert {layer.p for layer in layers if isinstance(layer, MultiStepDropout)} == {0.2}


@pytest.mark.parametrize("layers", [[16, 24, 12, 5], *WRITTEN])
def test_weights_are_drawn_layer_after_layer_as_torch_draws_them(layers: list[int] | str) -> None:
    torch.manual_seed(7)
    expected = nn.ModuleList(filter(None, WRITTEN[layers if isinstance(layers, str) else DENSE]()))
    torch.manual_seed(7)
    found = build_network(ModelParams(layers=layers, dropout=0.1))
    assert all(torch.equal(one, other) for one, other in zip(found.parameters(), expected.parameters(), strict=True))
