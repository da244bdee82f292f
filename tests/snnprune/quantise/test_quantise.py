"""Quantised networks: what is rounded, what stays, fine-tuning, and the integer form of the very same network."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from snnprune.core.dataset import Split
from snnprune.core.errors import DataError, UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.fit import Progress, ResumePoint
from snnprune.core.training.params import FinetuneParams
from snnprune.pruning.mask import prunable_weights
from snnprune.quantise.chain import chain_of
from snnprune.quantise.convert import to_integer
from snnprune.quantise.finetune import Finetuning
from snnprune.quantise.inputs import integer_inputs
from snnprune.quantise.quantise import quantise
from snnprune.quantise.rounding import PER, largest
from tests.snnprune.quantise.made import CONV, DENSE, network, samples

FINETUNE = FinetuneParams(epochs=12, batch_size=16, lr=0.01, optimizer="adamw", weight_decay=0.1)


def split() -> Split:
    """Three noisy patterns of 8 x 8 pixels."""
    generator = torch.Generator().manual_seed(0)
    patterns, labels = torch.rand((3, 1, 8, 8), generator=generator), torch.arange(60) % 3
    noise = torch.rand((60, 1, 8, 8), generator=generator)
    return Split((patterns[labels] + noise) / 2, labels)


@pytest.mark.parametrize("layers", [DENSE, CONV], ids=["dense", "conv"])
@pytest.mark.parametrize("per", PER)
@pytest.mark.parametrize("bits", [8, 4])
def test_weights_are_few_multiples_of_their_scale(layers: object, per: str, bits: int) -> None:
    net = network(layers)
    before = copy.deepcopy(net.state_dict())
    quantised = quantise(net, bits, per)
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in before.items())
    for layer, (name, weight) in zip(
        quantised.integer.layers, prunable_weights(quantised.network).items(), strict=True
    ):
        whole = weight.detach().double().flatten(1) / torch.from_numpy(layer.scale)[:, None]
        assert (whole - whole.round()).abs().max() < 1e-4 and whole.abs().max() <= largest(bits) + 1e-4
        assert not weight[before[name] == 0].any()
        assert layer.name == name and layer.synapses.nnz == int(weight.count_nonzero())
        assert (len(set(layer.scale)) == 1) == (per == "layer")
    assert not quantised.network.training


@pytest.mark.parametrize("layers", [DENSE, CONV], ids=["dense", "conv"])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_the_same_spikes_where_every_number_is_exact(layers: object, reset: str) -> None:
    """Weights, biases and threshold are whole numbers of 1/64, beta is 3/4, inputs are counts: float32 makes no error,
    and integers make none while all that is rounded is below 2^-12 of a unit."""
    net = network(layers, "frames", reset=reset, beta=0.75, threshold=0.5)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_((parameter * 64).round() / 64)
    scale = {name: torch.full((len(w),), 1 / 64).double() for name, w in prunable_weights(net).items()}
    integer = to_integer(chain_of(net), scale, 8, "row")
    inputs = samples(net, 40)
    (spikes,) = integer.blocks(integer_inputs(net.spec, inputs))
    expected = net.spikes(inputs)
    assert 0 < expected.mean() < 1
    assert torch.equal(torch.from_numpy(spikes[-1]).movedim(-1, 0).float(), expected)


def test_eight_bits_decide_nearly_as_the_network() -> None:
    net = network([64, 60, 40, 5])
    images = samples(net, 400)
    same = (quantise(net, 8).counts(images).argmax(1) == net(images).argmax(1)).double().mean()
    assert same > 0.95
    assert quantise(net, 4).counts(images).dtype == torch.int32


def test_a_scale_of_each_row_is_finer() -> None:
    net = network()
    with torch.no_grad():
        for weight in prunable_weights(net).values():
            weight.mul_(torch.logspace(-2, 0, len(weight))[:, None])

    def error(per: str) -> float:
        pairs = zip(net.parameters(), quantise(net, 4, per).network.parameters(), strict=True)
        return sum((before - after).square().sum().item() for before, after in pairs)

    assert error("row") < error("layer")


@pytest.mark.parametrize("layers", [[64, 20, 12, 3], "1x8x8-4C3-MP2-3C2S2-10-3"], ids=["dense", "conv"])
def test_finetuning_under_the_mask(layers: object) -> None:
    net, data = network(layers, density=0.7), split()
    losses: list[float] = []

    class Losses(Progress):
        def epoch_done(self, epoch: int, epochs: int, loss: float, accuracy: float | None) -> None:
            losses.append(loss)

    quantised = quantise(net, 4, finetune=Finetuning(data, FINETUNE, progress=Losses()))
    assert losses[-1] < losses[0]
    assert type(quantised.network.layers[-2]) is type(net.layers[-2])  # nothing is left of the parametrisation
    for (name, before), after in zip(
        prunable_weights(net).items(), prunable_weights(quantised.network).values(), strict=True
    ):
        assert not after[before == 0].any(), name
    moved = [not torch.equal(a, b) for a, b in zip(net.parameters(), quantised.network.parameters(), strict=True)]
    assert all(moved)
    for layer in quantised.integer.layers:
        values = layer.synapses.values
        assert values.min() >= -7 and values.max() <= 7
    assert quantised.accuracy(data) > quantise(net, 4).accuracy(data)


def test_an_interrupted_finetuning_ends_the_same(tmp_path: object) -> None:
    class Stop(Progress):
        def epoch_done(self, epoch: int, epochs: int, loss: float, accuracy: float | None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    net, data = network([64, 12, 3]), split()
    whole = quantise(net, 4, finetune=Finetuning(data, FINETUNE))
    point = ResumePoint(tmp_path / "point.pt")
    with pytest.raises(KeyboardInterrupt):
        quantise(net, 4, finetune=Finetuning(data, FINETUNE, resume=point, progress=Stop()))
    resumed = quantise(net, 4, finetune=Finetuning(data, FINETUNE, resume=point))
    for mine, theirs in zip(resumed.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_inputs_in_whole_numbers() -> None:
    net = network()
    images = torch.tensor([0.0, 0.5, 1 / 255, 1.0]).expand(2, 1, 1, 4)
    assert integer_inputs(net.spec, images)[0].ravel().tolist() == [0, 128, 1, 255]
    with pytest.raises(DataError, match=r"allowed are 0 to 1; found 0 to 1\.5"):
        integer_inputs(net.spec, 1.5 * images)
    frames = network(encoding="frames")
    counts = samples(frames, 2).float()
    counts[0, 0, 0, 0, 0] = 40  # more than four bits hold
    found = integer_inputs(frames.spec, counts)
    assert (found[0, 0, 0, 0, 0], found.max()) == (15, 15)
    with pytest.raises(DataError, match="counts of events, whole numbers from 0"):
        integer_inputs(frames.spec, counts / 2)
    rate = network(encoding="rate")
    drawn = [integer_inputs(rate.spec, samples(rate), seed=seed) for seed in (1, 1, 2)]
    assert (drawn[0] == drawn[1]).all() and (drawn[0] != drawn[2]).any() and drawn[0].max() == 1


def with_layer(net: SpikingNetwork, place: int, module: nn.Module) -> SpikingNetwork:
    net.layers[place] = module
    return net


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (with_layer(network(), 2, nn.ReLU()), r"layers\.2: ReLU\(\) has no integer form; allowed are Linear"),
        (with_layer(network(CONV), 0, nn.Conv2d(1, 4, 3, dilation=2)), r"layers\.0: Conv2d"),
        (with_layer(network(CONV), 1, nn.AvgPool2d(2)), r"layers\.1: AvgPool2d"),
        (with_layer(network(CONV), 1, nn.MaxPool2d(3, stride=1)), r"layers\.1: MaxPool2d"),
        (network([64, 5], "noisy_direct"), "noisy_direct has no integer form; allowed are direct, rate"),
        (network([64, 5], threshold=1e-12), "layers.1.weight: no unit of the membrane of row 0 keeps its threshold"),
    ],
)
def test_what_has_no_integer_form_is_named(net: SpikingNetwork, message: str) -> None:
    with pytest.raises(UserError, match=message):
        quantise(net, 8)


def test_other_bits_are_refused() -> None:
    with pytest.raises(UserError, match="bits: allowed are 8 and 4; found 5"):
        quantise(network(), 5)


@pytest.mark.parametrize("rows", [slice(0, 2), slice(None)], ids=["some", "all"])
@pytest.mark.parametrize("per", PER)
def test_what_weight_decay_has_left_of_silent_neurons_is_nothing(per: str, rows: slice) -> None:
    net = network()
    with torch.no_grad():
        net.layers[1].weight[rows] *= 1e-20
    first = quantise(net, 8, per).integer.layers[0].synapses
    assert not np.diff(first.starts)[rows].any()


def test_a_beta_and_a_threshold_for_each_neuron() -> None:
    net = network([64, 4, 3])
    net.layers[2].beta = torch.tensor([0.5, 0.75, 1.0, 0.0])
    net.layers[2].threshold = torch.tensor([0.4, 0.8, 0.4, 0.4])
    first = quantise(net, 8, "layer").integer.layers[0]
    assert (first.multiplier / 2**first.beta_shift).tolist() == [0.5, 0.75, 1.0, 0.0]
    assert first.beta_shift == 2
    assert first.threshold[1] == pytest.approx(2 * first.threshold[0], abs=1)
    net.layers[2].beta = torch.full((2,), 0.5)
    with pytest.raises(UserError, match=r"layers\.2: .* has no integer form"):
        quantise(net, 8)
