"""Whole numbers of a user's own network: worked by hand, the same as by the library's own form, and what is refused."""

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import Tensor, nn

from snnprune.adapters.adapt import adapt
from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.errors import NotFiniteError, UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.own_model import Normalize
from snnprune.core.params import Direct, Encoding, Frames, NoisyDirect, Rate
from snnprune.quantise.convert import rounded_chain, to_integer
from snnprune.quantise.integer import IntegerNetwork
from snnprune.quantise.own_chain import own_chain
from snnprune.quantise.quantise import quantise
from tests.snnprune.quantise.plain import Plain

STEPS = 6
DIRECT = Direct(name="direct")


def leaky(**options: object) -> snn.Leaky:
    return snn.Leaky(**{"beta": 0.5, "init_hidden": True} | options)


def own(*modules: nn.Module, shape: tuple[int, ...] = (1, 4, 4), **options: object) -> AdaptedNetwork:
    """A sequence as a network that runs its own forward."""
    net = nn.Sequential(*modules).eval()
    return adapt(net, torch.rand(4, *shape), timesteps=STEPS, fast=False, **options).network


def test_a_convolution_and_its_normalisation_worked_by_hand() -> None:
    """A channel of weight 0.5 in the middle of a kernel of 3 x 3, normalised by (x - 0.25) / 0.5 * 3 - 0.5: folded that
    is 3 x - 2. At a scale of 1/32 it is 96, at a unit of the membrane of 1/32/255 the bias is -2 * 8160. A pixel of 1
    drives 1 a step: u = 0.75 u + 1 - s gives 1, 1.75 s, 1.3125 s, 0.984, 1.738 s, 1.304 s above the threshold of 1."""
    net = own(nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.BatchNorm2d(1), leaky(beta=0.75), shape=(1, 1, 2))
    conv, norm = net.net[0], net.net[1]
    with torch.no_grad():
        conv.weight.zero_()[0, 0, 1, 1] = 0.5
        norm.eps, norm.running_mean[:], norm.running_var[:] = 0.0, 0.25, 0.25
        norm.weight[:], norm.bias[:] = 3.0, -0.5
    chain = own_chain(net)
    (layer,) = chain.layers
    assert (layer.name, layer.padding, layer.pool, layer.to_zero) == ("0.weight", (1, 1), 1, False)
    assert (layer.weight[0, 0, 1, 1].item(), layer.bias.tolist(), layer.beta.tolist()) == (3.0, [-2.0], [0.75])
    integer = to_integer(chain, {"0.weight": torch.tensor([1 / 32]).double()}, 8, "row")
    (found,) = integer.layers
    unit = 255 * 32 * 2.0 ** found.shift[0]
    assert found.synapses.values[0, 0, 1, 1] == 96
    assert (found.bias[0], found.threshold[0]) == (-2 * unit, unit)
    assert (found.multiplier[0], found.beta_shift) == (3, 2)
    ((spikes,),) = integer.blocks(np.array([[[[255, 0]]]], np.uint8))
    assert spikes[0, 0, 0].tolist() == [[0, 1, 1, 0, 1, 1], [0] * 6]


def arrays(network: IntegerNetwork) -> list[object]:
    """All that a network is, but for its weights' names."""
    found: list[object] = [network.timesteps, network.encoding, network.input_shape, network.largest_input]
    for layer in network.layers:
        numbers = layer.scale, layer.shift, layer.bias, layer.threshold, layer.multiplier
        found += [*(each.tolist() for each in numbers), layer.beta_shift, layer.to_zero, layer.synapses.__class__]
        found += [each.tolist() if isinstance(each, np.ndarray) else each for each in vars(layer.synapses).values()]
    return found


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize(
    ("layers", "encoding"),
    [
        ((nn.Flatten, lambda: nn.Linear(64, 12), leaky, lambda: nn.Linear(12, 5), leaky), DIRECT),
        (
            (
                lambda: nn.Conv2d(1, 4, 3), lambda: nn.MaxPool2d(2), lambda: leaky(reset_mechanism="zero"),
                lambda: nn.Conv2d(4, 3, 2, stride=1), lambda: leaky(reset_mechanism="zero"),
                nn.Flatten, lambda: nn.Linear(12, 5), lambda: leaky(reset_mechanism="zero"),
            ),
            Rate(name="rate"),
        ),
    ],
    ids=["dense", "convolutions"],
)  # fmt: skip
def test_a_net_that_is_both_has_one_integer_form(layers: tuple, encoding: Encoding, bits: int) -> None:
    torch.manual_seed(0)
    net, images = nn.Sequential(*(make() for make in layers)).eval(), torch.rand(20, 1, 8, 8)
    plain, adapted = (
        adapt(net, images, timesteps=STEPS, encoding=encoding, fast=fast).network for fast in (True, False)
    )
    assert isinstance(plain, SpikingNetwork) and isinstance(adapted, AdaptedNetwork)
    assert arrays(rounded_chain(own_chain(adapted), bits)) == arrays(quantise(plain, bits).integer)


@pytest.mark.parametrize("bits", [8, 4])
def test_bit_equal_to_the_plain_equations(bits: int) -> None:
    torch.manual_seed(0)
    beta = torch.tensor([0.25, 0.5, 0.875])[:, None, None].expand(3, 4, 4)
    net = own(
        nn.Conv2d(1, 3, 3, padding="same"), nn.BatchNorm2d(3), leaky(beta=beta, learn_threshold=True, threshold=0.4),
        nn.Dropout(0.5), nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 2), bias=False), nn.MaxPool2d((2, 2)),
        leaky(threshold=0.2, reset_mechanism="zero"), nn.Flatten(), nn.Linear(12, 5),
        leaky(beta=torch.rand(5), learn_beta=True, threshold=0.2),
    )  # fmt: skip
    with torch.no_grad():
        for parameter in (*net.net[0].parameters(), *net.net[4].parameters(), *net.net[8].parameters()):
            parameter.mul_(2)
    integer = rounded_chain(own_chain(net), bits)
    inputs = np.random.default_rng(0).integers(0, 256, (8, 1, 4, 4)).astype(np.uint8)
    (found,) = integer.blocks(inputs)
    expected = [Plain(integer).spikes(sample) for sample in inputs]
    for layer, spikes in enumerate(found):
        assert 0 < spikes.mean() < 1
        assert np.array_equal(np.moveaxis(spikes, -1, 1), np.stack([each[layer] for each in expected]))


def test_the_normalisation_of_images_is_in_the_first_weights() -> None:
    """W (x - 0.25) / 0.5 + b = 2 W x + b - W / 2, summed over its inputs."""
    normalize = Normalize(mean=0.25, std=0.5)
    net = own(nn.Flatten(), nn.Linear(16, 3), leaky(), normalize=normalize)
    chain, linear = own_chain(net), net.net[1]
    assert torch.equal(chain.layers[0].weight, 2 * linear.weight.detach())
    expected = (linear.bias - linear.weight.sum(1) / 2).detach().double()
    assert torch.allclose(torch.from_numpy(chain.layers[0].bias), expected, atol=1e-6)
    assert chain.normalize == normalize
    drawn = own(nn.Flatten(), nn.Linear(16, 3), leaky(), normalize=normalize, encoding=Rate(name="rate"))
    assert own_chain(drawn).normalize is None  # the caller hands in spikes
    assert torch.equal(own_chain(drawn).layers[0].weight, drawn.net[1].weight)
    with pytest.raises(UserError, match=r"0\.weight: pads normalised images, whose zeros are no zeros of the images"):
        own_chain(own(nn.Conv2d(1, 2, 3, padding=1), leaky(), normalize=normalize))


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.flat, self.fc1, self.lif1 = nn.Flatten(), nn.Linear(16, 8), leaky()
        self.fc2, self.lif2 = nn.Linear(8, 8), leaky()

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.lif1(self.fc1(self.flat(x)))
        return self.lif2(self.fc2(spikes) + spikes)


CONV = nn.Conv2d(1, 2, 3)
HIDDEN = {"init_hidden": True, "beta": 0.5}


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ((Skip(),), r"0\.lif2: the sum of 0\.fc2 \+ 0\.lif1 has no integer form; allowed are Linear"),
        (
            (nn.Flatten(), nn.Linear(16, 4), snn.RLeaky(linear_features=4, **HIDDEN)),
            r"2: the sum of 1 \+ 2\.recurrent has",
        ),
        ((nn.Flatten(), nn.Linear(16, 4), snn.Synaptic(alpha=0.5, **HIDDEN)), "2: a synapse's own current has no"),
        ((CONV, leaky(reset_delay=False)), "1: a reset `subtract` at once has no"),
        ((CONV, leaky(reset_mechanism="none")), "1: a reset `none` has no"),
        ((CONV, nn.AvgPool2d(2), leaky()), r"1: AvgPool2d\(kernel_size=2.*in the place of neurons has no"),
        ((CONV, leaky(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2, 2), leaky()), r"2: MaxPool2d\("),
        ((CONV, nn.MaxPool2d(2, stride=1), leaky()), r"1: MaxPool2d\(kernel_size=2, stride=1"),
        ((CONV, nn.MaxPool2d((1, 2)), leaky()), r"1: MaxPool2d\(kernel_size=\(1, 2\)"),
        ((CONV, leaky(beta=torch.tensor([0.5, 0.25]))), "1: beta that differs within a channel has no"),
        ((CONV, leaky(threshold=torch.rand(2, 2, 1))), "1: threshold that differs within a channel has no"),
        ((nn.Conv2d(1, 2, 3, dilation=2, padding=2), leaky()), r"0: Conv2d\(.*dilation=\(2, 2\)\) has no"),
        ((CONV, leaky(), nn.Conv2d(2, 2, 1, groups=2), leaky()), r"2: Conv2d\(.*groups=2\) has no"),
        ((nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), leaky()), r"0: Conv2d\(.*padding_mode=reflect\) has"),
        ((nn.Conv2d(1, 2, 2, padding="same"), leaky()), r"0: Conv2d\(.*padding=same\) has no"),
        ((nn.Flatten(), nn.Linear(16, 4), leaky(), nn.Linear(4, 3)), "3: a last layer without neurons has no"),
        ((leaky(), nn.Flatten(), nn.Linear(16, 4), leaky()), "0: neurons without a weight has no"),
        ((nn.Flatten(), nn.Linear(16, 4), nn.Linear(4, 4), leaky()), r"2: Linear\(.*in the place of neurons has no"),
        ((nn.Flatten(), nn.Linear(16, 4), leaky(), nn.BatchNorm1d(4), nn.Linear(4, 4), leaky()), r"3: BatchNorm1d\(4"),
        ((nn.Linear(4, 3), leaky()), r"0: Linear\(.* on \[1, 4, 4\] has no"),
        ((nn.Flatten(1, 2), nn.Conv1d(4, 3, 2), leaky()), r"1: Conv1d\(4, 3.*\) has no"),
    ],
)  # fmt: skip
def test_what_has_no_integer_form_is_named(modules: tuple[nn.Module, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        own_chain(own(*modules))


def test_other_read_outs_encodings_and_values_are_refused() -> None:
    def net(**options: object) -> AdaptedNetwork:
        return own(nn.Flatten(), nn.Linear(16, 4), leaky(), **options)

    with pytest.raises(UserError, match="2: a membrane potential that is read out has no integer form"):
        own_chain(net(readout="mean-membrane"))
    with pytest.raises(UserError, match="noisy_direct has no integer form"):
        rounded_chain(own_chain(net(encoding=NoisyDirect(name="noisy_direct"))), 8)
    wrong = net()
    wrong.net[1].weight.data[0, 0] = torch.nan
    with pytest.raises(NotFiniteError, match=r"1\.weight: values are NaN or infinite"):
        own_chain(wrong)


def test_frames_are_of_a_step() -> None:
    net = own(nn.Conv2d(2, 3, 3), leaky(), shape=(STEPS, 2, 5, 4), encoding=Frames(name="frames"))
    assert own_chain(net).input_shape == (2, 5, 4)
