"""A compiled network against the network itself, against snnTorch's own loop, and its counts against observed ones."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import snnprune
from snnprune.core.encoding import encode, is_constant
from snnprune.core.errors import UserError
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams, Surrogate
from snnprune.core.seeds import seed_everything
from snnprune.energy.operations import observe_operations
from snnprune.pruning.mask import prunable_weights
from snnprune.sparse.event_stack import FEW, EventStack
from snnprune.sparse.linear import SparseLinear
from snnprune.sparse.runtime import Modules, compile, fastest_form
from snnprune.sparse.stack import BLOCK, Stack
from tests.snnprune import snntorch_loop

ENCODINGS = [{"name": "direct"}, {"name": "noisy_direct", "sigma": 0.05}, {"name": "rate"}, {"name": "latency"}]
ENCODINGS.append({"name": "frames"})
STEPS, SEED = 6, 3
CONV = "12x12-3C3-MP2-4C3-40-20-10"


def make(layers: Any = (144, 40, 30, 10), density: float | list[float] = 0.2, **model: Any) -> SpikingNetwork:
    """A network with so many synapses; whole numbers of 1/64 as weights, so that the order of a sum of spikes does not
    matter."""
    torch.manual_seed(0)
    layers = layers if isinstance(layers, str) else list(layers)
    spec = {"layers": layers, "timesteps": STEPS, "threshold": 0.5, "dropout": 0.2, **model}
    network = build_network(ModelParams.model_validate(spec))
    weights = list(prunable_weights(network).values())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_((parameter * 192).round() / 64)
        shares = density if isinstance(density, list) else [density] * len(weights)
        for weight, share in zip(weights, shares, strict=True):
            weight.mul_(torch.rand_like(weight) < share)
    return network.eval()


def images(count: int = 2 * BLOCK + 7) -> Tensor:
    """Whole numbers of 1/16, half of them 0."""
    values = torch.rand((count, 1, 12, 12), generator=torch.Generator().manual_seed(1))
    return (values * (values > 0.5) * 16).round() / 16


def samples(network: SpikingNetwork, count: int = 2 * BLOCK + 7) -> Tensor:
    """`images`, or frames of which one in ten values is 1 or 2."""
    if network.spec.encoding.name != "frames":
        return images(count)
    values = torch.rand((count, STEPS, 1, 12, 12), generator=torch.Generator().manual_seed(1))
    return (values > 0.9).byte() + (values > 0.97).byte()


@pytest.mark.parametrize("layers", [(144, 40, 30, 10), CONV], ids=["linear", "conv"])
@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding["name"])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_spikes_and_counts_are_the_networks(reset: str, encoding: dict[str, Any], layers: Any) -> None:
    network = make(layers, reset=reset, encoding=encoding)
    compiled = compile(network)
    for batch, steps in ((2 * BLOCK + 7, STEPS), (1, STEPS), (5, 1), (BLOCK + 1, 4)):
        expected, counts = observe_operations(network, samples(network, batch), steps, seed=SEED)
        assert torch.equal(compiled.spikes(samples(network, batch), steps, SEED), expected)
        spikes, found = compiled.observe(samples(network, batch), steps, SEED)
        assert torch.equal(spikes, expected)
        assert len(found) == len(counts)
        for one, other in zip(found, counts, strict=True):
            assert vars(one).keys() == vars(other).keys()
            for name, value in vars(other).items():
                assert torch.equal(getattr(one, name), value) if torch.is_tensor(value) else getattr(one, name) == value
    assert 0.01 < network.spikes(samples(network), seed=SEED).mean() < 0.9


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding["name"])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_spikes_are_snntorchs(reset: str, encoding: dict[str, Any]) -> None:
    network = make(reset=reset, encoding=encoding)
    encoded = encode(samples(network), network.spec.encoding, STEPS, SEED)
    currents = [encoded] * STEPS if is_constant(network.spec.encoding) else encoded
    with torch.no_grad():
        expected, _ = snntorch_loop.run(snntorch_loop.layers_of(network), currents)
    assert torch.equal(compile(network).spikes(samples(network), seed=SEED), expected)


@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1])
@pytest.mark.parametrize("layers", [(144, 40, 10), (144, 10)], ids=["two", "one"])
def test_a_few_recordings_are_run_by_their_events(layers: tuple[int, ...], count: int) -> None:
    network = make(layers, encoding={"name": "frames"})
    (stack,) = compile(network).parts
    assert isinstance(stack, EventStack) is (len(layers) > 2)
    frames = samples(network, 20)[:count]
    for given in (frames, frames.float(), frames.transpose(3, 4).contiguous().transpose(3, 4)):
        assert torch.equal(compile(network).spikes(given), network.spikes(given))
        assert torch.equal(compile(network).spikes(given, 2), network.spikes(given, steps=2))


def test_neurons_that_nothing_reads_or_feeds_are_left_out_of_the_events_too() -> None:
    network = by_hand({"name": "frames"})
    frames = torch.randint(0, 3, (FEW, 3, 1, 2, 2), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert torch.equal(compile(network).spikes(frames), network.spikes(frames)) and network(frames).any()


@pytest.mark.parametrize("name", ["rate", "noisy_direct"])
def test_without_a_seed_the_draw_comes_from_the_global_generator(name: str) -> None:
    network = make(encoding={"name": name})
    seed_everything(1)
    expected = network(images())
    seed_everything(1)
    assert torch.equal(compile(network)(images()), expected)


@pytest.mark.parametrize("layers", [(144, 40, 30, 10), CONV], ids=["linear", "conv"])
def test_the_bytes_are_the_same_for_any_number_of_threads(layers: Any) -> None:
    network = make(layers)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1 + 0.01 * torch.randn_like(parameter))  # sums whose order matters
    one, two, many = (compile(network, threads=threads) for threads in (1, 2, 7))
    assert torch.equal(one.spikes(images()), two.spikes(images())) and torch.equal(one(images()), many(images()))
    assert torch.equal(one.observe(images())[1][0].macs, two.observe(images())[1][0].macs)


@pytest.mark.parametrize("density", [[0.2, 1.0, 0.2], [1.0, 0.2, 0.2], [0.2, 0.2, 1.0], [1.0] * 3, [0.0, 0.2, 0.2],
                                     [0.2, 0.0, 0.2], [0.2, 0.2, 0.0], [0.0] * 3])  # fmt: skip
def test_dense_and_empty_layers(density: list[float]) -> None:
    network = make((144, 90, 90, 10), density)
    compiled = compile(network)
    expected, counts = observe_operations(network, images())
    spikes, found = compiled.observe(images())
    assert torch.equal(spikes, expected) and torch.equal(compiled.spikes(images()), expected)
    assert [int(one.macs.sum()) for one in found] == [int(one.macs.sum()) for one in counts]
    assert [int(one.acs.sum()) for one in found] == [int(one.acs.sum()) for one in counts]
    assert [int(one.spikes.sum()) for one in found] == [int(one.spikes.sum()) for one in counts]


def test_a_small_dense_layer_runs_with_the_sparse_ones_before_it() -> None:
    kinds = {
        (0.2, 0.2, 1.0): [Stack],
        (1.0, 0.2, 1.0): [Modules, Stack],
        (1.0, 1.0, 1.0): [Modules],
        (0.2, 1.0, 0.2): [Stack],
    }
    for density, expected in kinds.items():
        assert [type(part) for part in compile(make(density=list(density))).parts] == expected
    wide = compile(make((144, 90, 90, 10), [0.2, 1.0, 0.2]))
    assert [type(part) for part in wide.parts] == [Stack, Modules, Stack]


def by_hand(encoding: dict[str, Any] = ENCODINGS[0]) -> SpikingNetwork:
    """Of four hidden neurons: 0 is in use; 1 has no synapse onwards; 2 has none to it, and a bias that fires it; 3 has
    none to it, and stays silent. Inputs 2 and 3 are not used by what matters."""
    spec = {"layers": [4, 4, 2], "timesteps": 3, "beta": 0.5, "encoding": encoding}
    network = build_network(ModelParams.model_validate(spec))
    weights = prunable_weights(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        weights["layers.1.weight"].copy_(torch.tensor([[2.0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
        weights["layers.3.weight"].copy_(torch.tensor([[2.0, 0, 0, 1], [0, 0, 2.0, 1]]))
        network.layers[1].bias.copy_(torch.tensor([0.0, 0.0, 2.0, 0.5]))
    return network.eval()


def test_what_cannot_matter_is_not_run_but_counted() -> None:
    network = by_hand()
    compiled = compile(network)
    (stack,) = compiled.parts
    assert isinstance(stack, Stack)
    assert stack.inputs_read.tolist() == [0, 1] and [rows.tolist() for rows in stack.neurons_run] == [[0, 2], [0, 1]]
    lit = torch.tensor([[[[1.0, 0.5]], [[1.0, 0.5]]], [[[0.0, 0.0]], [[1.0, 0.0]]]]).view(2, 1, 2, 2)
    assert torch.equal(compiled.spikes(lit), network.spikes(lit))
    _, (first, second) = compiled.observe(lit)
    assert first.macs.tolist() == [3 * 3, 3 * 1]
    assert first.spikes.tolist() == [9, 6]  # the neuron that is not run fires too
    assert second.acs.tolist() == [6, 3]


def test_a_silent_net() -> None:
    network = make(threshold=100.0)
    spikes, counts = compile(network).observe(images())
    assert spikes.shape == (STEPS, len(images()), 10) and not spikes.any()
    assert [int(count.spikes.sum()) for count in counts] == [0, 0, 0]
    assert int(counts[0].macs.sum()) > 0 == int(counts[1].acs.sum())


def test_a_beta_and_a_threshold_for_each_neuron() -> None:
    network = make()
    for layer in network.layers:
        if isinstance(layer, MultiStepLeaky):
            width = 10 if layer is network.layers[-1] else 40
            layer.beta, layer.threshold = torch.linspace(0.5, 0.9, width), torch.linspace(0.4, 0.8, width)
            break
    compiled, expected = compile(network), network.spikes(images())
    assert expected.any() and torch.equal(compiled.spikes(images()), expected)
    assert torch.equal(torch.cat([compiled.spikes(image[None]) for image in images()], 1), expected)


def test_a_net_in_kept_values_is_compiled_as_its_dense_form() -> None:
    network, other = make(), make()
    for number, layer in enumerate(other.layers):
        if isinstance(layer, nn.Linear):
            other.layers[number] = SparseLinear(layer, layer.weight != 0)
    assert torch.equal(compile(other).spikes(images()), compile(network).spikes(images()))
    assert compile(other).nbytes == compile(network).nbytes


def test_memory_follows_the_synapses() -> None:
    network = make((784, 256, 128, 10), 0.02)
    dense = sum(4 * parameter.numel() for parameter in network.parameters())
    assert 0 < compile(network).nbytes < 0.06 * dense


def test_it_keeps_the_weights_of_the_moment_and_no_gradient() -> None:
    network = make((144, 90, 90, 10), [0.2, 1.0, 0.2])
    compiled, before = compile(network), network.spikes(images())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert torch.equal(compiled.spikes(images()), before) and not compiled.spikes(images()).requires_grad


def test_values_that_lie_otherwise() -> None:
    network = make()
    turned = images().transpose(2, 3)
    assert torch.equal(compile(network).spikes(turned), network.spikes(turned))
    assert compile(network)(images()[:0]).shape == (0, 10)


def test_evaluation_compiles_what_is_sparse() -> None:
    sparse, dense = make(), make(density=1.0)
    assert isinstance(fastest_form(sparse), snnprune.Compiled) and fastest_form(dense) is dense
    assert fastest_form(sparse.double()).layers is sparse.layers
    assert [type(part) for part in compile(make(CONV)).parts] == [Modules, Stack]
    data = images(), torch.arange(len(images())) % 10
    predicted = make()(data[0]).argmax(1)
    assert snnprune.accuracy(make(), data) == (predicted == data[1]).double().mean().item()


def test_what_it_does_not_take() -> None:
    with pytest.raises(UserError, match=r"layers.1.weight: a compiled network is float32 on the CPU; found .*float64"):
        compile(make().double())
    inputs = torch.rand(3, 4)
    adapted = snnprune.adapt(
        nn.Sequential(nn.Linear(4, 2), MultiStepLeaky(0.9, 0.1, "subtract", Surrogate())),
        inputs,
        timesteps=2,
        fast=False,
    )
    with pytest.raises(UserError, match="compile: is for networks that are a plain sequence of layers; this one runs"):
        compile(adapted.network)
    with pytest.raises(UserError, match="network: found Adapted; give its `.network`"):
        compile(adapted)
    broken = make()
    broken.layers[4] = nn.Linear(41, 30)
    nn.init.zeros_(broken.layers[4].weight)
    with pytest.raises(ValueError, match="layers.4.weight: 41 inputs, but 40 outputs come before it"):
        compile(broken)
    with pytest.raises(UserError, match="threads: at least 1; found 0"):
        compile(make(), threads=0)
    compiled = compile(make())
    with pytest.raises(UserError, match="images: the network takes 144 values a sample; found \\[1, 5, 5\\]"):
        compiled(torch.rand(3, 1, 5, 5))
    with pytest.raises(UserError, match="images: expected float32 on the CPU; found torch.float64"):
        compiled(images().double())
    for steps in (0, STEPS + 1):
        with pytest.raises(ValueError, match=f"steps must be 1..{STEPS}"):
            compiled.spikes(images(), steps)
