"""Which networks are plain sequences of layers, and that these stay the same network."""

from collections.abc import Callable

import pytest
import snntorch as snn
import torch
from snntorch import surrogate
from torch import Tensor, nn

from snnprune.adapters.adapt import adapt
from snnprune.adapters.plain import NotPlain, surrogate_of
from snnprune.core.network import SpikingNetwork
from snnprune.core.params import Direct, Frames, Rate, Surrogate
from tests.snnprune.adapters.own_nets import STEPS, Sequence, Static, Step, sequential

HIDDEN = {"beta": 0.8, "threshold": 0.4, "init_hidden": True}


def images(count: int = 500) -> Tensor:
    return torch.rand((count, 1, 6, 6), generator=torch.Generator().manual_seed(1))


def chain(*modules: nn.Module, **neuron: object) -> Callable[[], nn.Module]:
    """A net of 36-12-4 with something else between its layers."""
    return lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(36, 12), snn.Leaky(**{**HIDDEN, **neuron}), *modules, nn.Linear(12, 4),
        snn.Leaky(**{**HIDDEN, **neuron}, output=True),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "encoding", "layers"),
    [
        (Static, Direct(name="direct"), "36-12-4"),
        (Step, Rate(name="rate"), "36-12-4"),
        (Sequence, Frames(name="frames"), "36-12-4"),
        (sequential, Direct(name="direct"), "1x6x6-4C3-MP2-4"),
        (sequential, Rate(name="rate"), "1x6x6-4C3-MP2-4"),
        (chain(nn.Dropout(0.3), reset_mechanism="zero"), Direct(name="direct"), "36-12-4"),
    ],
)
def test_no_count_differs_and_the_names_are_the_users(kind: Callable, encoding: object, layers: str) -> None:
    torch.manual_seed(0)
    net, samples = kind().eval(), 2 * images()
    if encoding.name == "frames":
        samples = torch.poisson(samples[:, None].expand(-1, STEPS, -1, -1, -1)).byte()
    options = {"timesteps": STEPS, "encoding": encoding}
    plain = adapt(net, samples[:20], **options)
    own = adapt(net, samples[:20], **options, fast=False)
    assert isinstance(plain.network, SpikingNetwork) and not plain.why
    assert plain.network.spec.layers == layers
    counts = own.network(samples, seed=0)
    assert counts.any()
    assert int((plain.network(samples, seed=0) != counts).sum()) == 0
    assert set(plain.names.values()) == {name for name, _ in net.named_parameters()}
    state = plain.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())


def test_what_is_in_the_neurons_is_kept() -> None:
    spec = adapt(chain(spike_grad=surrogate.fast_sigmoid(slope=10))(), images(), timesteps=3).network.spec
    assert spec.surrogate == Surrogate(name="fast_sigmoid", slope=10.0)
    assert (spec.threshold, spec.beta, spec.reset) == (pytest.approx(0.4), pytest.approx(0.8), "subtract")
    assert adapt(chain(nn.Dropout(0.25))(), images(), timesteps=3).network.spec.dropout == 0.25


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (chain(nn.ReLU()), "it has a layer ReLU"),
        (chain(nn.BatchNorm1d(12)), "it has a layer BatchNorm1d"),
        (chain(nn.Linear(12, 12)), "its layers come in another order"),
        (chain(nn.Dropout(0.1), nn.Dropout(0.1)), "it drops other things"),
        (chain(reset_mechanism="none"), "its neurons do not reset"),
        (chain(reset_delay=False), "its neurons are no plain Leaky"),
        (chain(learn_beta=True), "its neurons learn their constants"),
        (chain(spike_grad=surrogate.sigmoid()), "its surrogate is neither atan nor fast sigmoid"),
        (chain(snn.Leaky(**HIDDEN)), "its layers come in another order"),
        (chain(snn.Lapicque(**HIDDEN)), "it has neurons Lapicque"),
        (chain(snn.Leaky(beta=0.5, init_hidden=True)), "its neurons differ from layer to layer"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), *chain()().children()), "it has a layer Conv2d"),
    ],
)
def test_what_is_not_plain_keeps_its_own_forward(kind: Callable[[], nn.Module], why: str) -> None:
    torch.manual_seed(0)
    net = kind()
    if "Conv2d" in why:
        net[2] = nn.Linear(72, 12)
    assert adapt(net, images(20), timesteps=3).why.startswith(why)


def test_what_happens_between_layers_is_seen() -> None:
    class Scaled(Step):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.lif2(self.fc2(2 * self.lif1(self.fc1(x.flatten(1)))))

    class InPlace(Step):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.lif2(self.fc2(self.lif1(self.fc1(x.flatten(1)).neg_())))

    assert adapt(Scaled(), images(), timesteps=3).why == "fc2 takes something else than what lif1 gave, such as a sum"
    assert adapt(InPlace(), 5 * images(), timesteps=3).why == "its spike counts are others"


def test_a_readout_of_membranes_keeps_its_own_forward() -> None:
    assert adapt(Step(), images(), timesteps=3, readout="last-membrane").why == "its readout is last-membrane"


@pytest.mark.parametrize("slope", [0.5, 2.0, 25.0])
def test_surrogates_are_told_by_their_derivative(slope: float) -> None:
    for name, function in (("atan", surrogate.atan(alpha=slope)), ("fast_sigmoid", surrogate.fast_sigmoid(slope))):
        assert surrogate_of(snn.Leaky(beta=0.9, spike_grad=function)) == Surrogate(name=name, slope=slope)
    for other in (surrogate.triangular(), surrogate.straight_through_estimator(), surrogate.spike_rate_escape()):
        with pytest.raises(NotPlain):
            surrogate_of(snn.Leaky(beta=0.9, spike_grad=other))
