"""What a user's network computes: counted by hand, as for the library's own networks, and one by one."""

from dataclasses import replace

import pytest
import snntorch as snn
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnprune.adapters.adapt import adapt
from snnprune.adapters.simplify import simplified
from snnprune.adapters.tracing import trace
from snnprune.core.dataset import Split
from snnprune.core.params import Direct, Frames, Rate
from snnprune.energy.measure import measure
from snnprune.pruning.mask import PRUNABLE
from snnprune.temporal.early_exit import exits_of, run_with_exits
from tests.snnprune.adapters.own_nets import STEPS, Kinds, Recurrent, Residual, Sequence, Step, sequential


def images(count: int = 40) -> Tensor:
    return (3 * torch.rand((count, 1, 6, 6), generator=torch.Generator().manual_seed(1)) - 1).clamp(min=0)


def split(samples: Tensor) -> Split:
    return Split(samples, torch.arange(len(samples)) % 4)


@pytest.mark.parametrize("kind", [Step, Sequence, sequential])
@pytest.mark.parametrize("encoding", ["direct", "rate", "frames"])
@pytest.mark.parametrize("steps", [None, 2])
def test_the_counts_of_a_plain_sequence(kind: type, encoding: str, steps: int | None) -> None:
    torch.manual_seed(0)
    chosen = {"direct": Direct, "rate": Rate, "frames": Frames}[encoding](name=encoding)
    samples = images() if encoding != "frames" else images()[:, None].expand(-1, STEPS, -1, -1, -1).round().byte()
    net = kind()
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.weight.data[torch.rand_like(module.weight) < 0.5] = 0
    options = {"timesteps": STEPS, "encoding": chosen}
    plain, own = (adapt(net, samples, **options, fast=fast) for fast in (True, False))
    counted = measure(plain.network, split(samples), steps)
    found = measure(own.network, split(samples), steps)
    assert found.accuracy == counted.accuracy
    assert found.acs > 0
    for one, other in zip(found.layers, counted.layers, strict=True):
        assert replace(one, layer=own.names[one.layer]) == replace(other, layer=plain.names[other.layer])


class Small(nn.Module):
    """Two inputs; one hidden neuron that always fires; a skip connection; the first product before the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2, 1, bias=False)
        self.lif1 = snn.Leaky(beta=0.0, threshold=0.5, reset_mechanism="none", init_hidden=True)
        self.fc2 = nn.Linear(1, 2, bias=False)
        self.skip = nn.Linear(2, 2, bias=False)
        self.lif2 = snn.Leaky(beta=0.0, threshold=0.5, reset_mechanism="none", init_hidden=True)
        for layer, weight in ((self.fc1, [[1.0, 0.0]]), (self.fc2, [[1.0], [0.0]]), (self.skip, [[0, 1.0], [0, 1.0]])):
            layer.weight.data = torch.tensor(weight)

    def forward(self, x: Tensor) -> Tensor:
        current = self.fc1(x)
        return torch.stack([self.lif2(self.fc2(self.lif1(current)) + self.skip(x)) for _ in range(4)])


def test_by_hand() -> None:
    # Sample 0, [1, 0]: fc1 has a weight for input 0 and none for 1: 1 MAC at each of 4 steps, computed once. Its neuron
    # fires 4 times, and fc2 has one synapse left: 4 ACs. skip has none for input 0: 0. Output 0 fires 4 times.
    # Sample 1, [0, 1]: fc1 nothing, the neuron is silent. skip: 2 MACs a step, 8. Both outputs fire: 8.
    samples = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    network = adapt(Small(), samples).network
    assert network.constant == {"net.fc1.weight", "net.skip.weight"}
    measured = measure(network, Split(samples[:2], torch.tensor([0, 1])))
    fc1, fc2, skip = measured.layers
    assert (fc1.macs, fc1.macs_once, fc1.acs, fc1.neuron_updates, fc1.spike_rate) == (2, 0.5, 0, 4, 0.5)
    assert (fc2.macs, fc2.acs, fc2.neuron_updates, fc2.spike_rate) == (0, 2, 8, (4 + 8) / 2 / 8)
    assert (skip.macs, skip.macs_once, skip.acs, skip.neuron_updates, skip.spike_rate) == (4, 1, 0, 0, 0)
    assert [(layer.dense_macs, layer.dense_acs) for layer in measured.layers] == [(8, 0), (0, 8), (16, 0)]
    assert measured.accuracy == 0.5  # both classes fire as often for sample 1: the lower one counts


@pytest.mark.parametrize("kind", [Recurrent, Residual, Kinds])
def test_by_brute_force(kind: type) -> None:
    """Every output of every layer, its weights times its input, counted one by one, recurrent ones included."""
    torch.manual_seed(0)
    net = kind()
    network = adapt(net, images(), timesteps=None if kind is Residual else STEPS).network
    layers = {name: module for name, module in net.named_modules() if isinstance(module, PRUNABLE)}
    for layer in layers.values():
        layer.weight.data[torch.rand_like(layer.weight) < 0.3] = 0
    expected = dict.fromkeys(layers, 0)

    def count(name: str, layer: nn.Module, given: Tensor) -> None:
        active, kept = (given != 0).double(), (layer.weight != 0).double()
        if isinstance(layer, nn.Conv2d):
            active = functional.unfold(active, layer.kernel_size, padding=layer.padding).transpose(1, 2)
        elif isinstance(layer, nn.Conv1d):
            active = active.unfold(2, layer.kernel_size[0], 1).transpose(1, 2).flatten(2)
        expected[name] += int((active @ kept.flatten(1).T).sum())

    for name, layer in layers.items():
        layer.register_forward_pre_hook(lambda layer, given, name=name: count(name, layer, given[0]))
    measured = measure(network, split(images()))
    for layer in measured.layers:
        name = layer.layer.removeprefix("net.").removesuffix(".weight")
        assert layer.macs + layer.acs == pytest.approx(expected[name] / 40)
        assert expected[name] > 0, name
    neurons = {Recurrent: 12 + 4, Residual: 4 * 36 + 12 + 4, Kinds: 3 * 4 + 8 + 8}[kind]
    assert measured.total.neuron_updates == neurons * STEPS


def test_a_recurrent_nir_graph_counts_as_the_network_that_it_came_from() -> None:
    """A constant input once; recurrent weights T times, first on no spikes, never on those of the last step."""
    pytest.importorskip("nir")
    from snnprune.export.nir import step_graph
    from snnprune.nir.reading import from_graph

    torch.manual_seed(0)
    own = adapt(Recurrent(), images(), timesteps=STEPS).network
    read = adapt(from_graph(step_graph(simplified(trace(own))), dt=1e-4), images(), timesteps=STEPS).network
    assert torch.equal(own.spikes(images()), read.spikes(images()))
    first, second = (measure(network, split(images())) for network in (own, read))
    assert 0 < first.macs_once < first.macs
    assert (second.macs_once, second.macs, second.acs) == (first.macs_once, first.macs, first.acs)
    assert second.dense_operations == first.dense_operations


def test_what_is_no_spike_is_a_multiplication() -> None:
    """After average-pooling an input lies between 0 and 1; after a sum of spikes it may be 2."""
    torch.manual_seed(0)
    network = adapt(Residual(), images()).network
    layers = {layer.layer: layer for layer in measure(network, split(images())).layers}
    assert layers["net.fc1.weight"].macs > 0
    assert layers["net.fc1.weight"].macs_once == layers["net.fc1.weight"].macs
    assert layers["net.fc2.weight"].macs == 0 < layers["net.fc2.weight"].acs
    assert layers["net.skip.weight"].macs_once == pytest.approx(layers["net.skip.weight"].macs / STEPS)


def test_exits_are_those_of_the_whole_run() -> None:
    torch.manual_seed(0)
    for fast in (True, False):
        network = adapt(Step(), images(), timesteps=STEPS, fast=fast).network
        found = run_with_exits(network, images(), 0.3)
        expected = exits_of(network.spikes(images()).detach(), 0.3)
        assert torch.equal(found.classes, expected.classes)
        assert torch.equal(found.steps, expected.steps)
        assert len(found.steps.unique()) > 1
