"""norse's networks, run and pruned by the library: against their equations, and against plain norse."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("norse")

import norse.torch as norse

from snnprune import Finetune, prune
from snnprune.adapters.adapt import Adapted, adapt
from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.training.params import FinetuneParams
from snnprune.energy.measure import measure
from snnprune.pruning.iterate import prune_levels
from snnprune.pruning.mask import prunable_weights
from snnprune.pruning.params import CriticalityParams, Pruning
from snnprune.pruning.registry import load_method
from snnprune.pruning.scores import criticality
from snnprune.pruning.select import keep_count
from tests.snnprune.adapters.own_nets import METHODS
from tests.snnprune.adapters.packages import norse_nets as nets
from tests.snnprune.adapters.packages.norse_nets import BOX, LIF, SOFT, STEPS, Inside, seeded

THRESHOLD, MEMBRANE, SYNAPSE = 0.2, 0.3, 0.2  # of the nets: v_th, dt / tau_mem, dt / tau_syn
EVERY = [nets.cells, nets.all_steps, nets.convolutional, nets.lifted, Inside]


@pytest.fixture
def images() -> Tensor:
    return 3 * torch.rand((7, 1, 6, 6), generator=torch.Generator().manual_seed(1))


def data() -> Split:
    generator = torch.Generator().manual_seed(1)
    return Split(3 * torch.rand((40, 1, 6, 6), generator=generator), torch.randint(4, (40,), generator=generator))


def adapted_of(make: Callable[..., nn.Module], **options: object) -> Adapted:
    return adapt(seeded(make), data().images, timesteps=None if make is Inside else STEPS, **options)


def script(net: nn.Module, images: Tensor) -> Tensor:
    """Spikes [T, B, 4] as a script of norse's users has them: the caller loops and passes the states on."""
    state, spikes = None, []
    for _ in range(STEPS):
        out, state = net(images, state)
        spikes.append(out)
    return torch.stack(spikes)


def by_hand(layers: list[nn.Linear], images: Tensor, synapse: bool, subtract: bool) -> dict[str, list[Tensor]]:
    """Of the two layers, each step: h, the potential that is held against the threshold; v, that after the reset; and
    the spikes. The equations of norse's documentation, at dt = 1 ms."""
    v, current = ([torch.zeros(len(images), size) for size in (12, 4)] for _ in range(2))
    found: dict[str, list[Tensor]] = {key: [] for key in ("h1", "h2", "v2", "s2")}
    for _ in range(STEPS):
        values = images.flatten(1)
        for index, layer in enumerate(layers):
            current[index] = current[index] + layer(values) if synapse else layer(values)
            h = v[index] + MEMBRANE * (current[index] - v[index])
            current[index] = (1 - SYNAPSE) * current[index]
            values = (h > THRESHOLD).float()
            v[index] = h - THRESHOLD * values if subtract else h * (1 - values)
            found[f"h{index + 1}"].append(h.detach())
        found["s2"].append(values)
        found["v2"].append(v[1].detach())
    return found


@pytest.mark.parametrize(
    ("make", "arguments", "synapse", "subtract"),
    [
        (nets.cells, (norse.LIFCell, LIF), True, False),
        (nets.cells, (norse.LIFBoxCell, BOX), False, False),
        (nets.cells, (norse.LIFBoxCell, SOFT), False, True),
        (nets.all_steps, (), True, False),
    ],
)
def test_it_runs_as_its_equations_say(
    make: Any, arguments: tuple, synapse: bool, subtract: bool, images: Tensor
) -> None:
    net = seeded(make, *arguments)
    expected = by_hand([net[1], net[3]], images, synapse, subtract)
    adapted = adapt(net, images, timesteps=STEPS)
    assert adapted.why == "its neurons are norse's, which reset at once"
    assert adapted.network.spec.convention.time == ("outside" if make is nets.cells else "sequence")
    spikes = torch.stack(expected["s2"])
    assert 0 < spikes.mean() < 1
    assert torch.equal(adapted.network.spikes(images), spikes)
    assert torch.equal(adapted.network.spikes(images), spikes)  # no state is left
    assert torch.equal(adapted.network.spikes(images, steps=2), spikes[:2])

    found = criticality(adapted.network, [(images, torch.zeros(7).long())], "membrane", seed=0)
    for index, key in ((1, "net.1.weight"), (2, "net.3.weight")):
        distance = torch.stack(expected[f"h{index}"]) - THRESHOLD
        derivative = (1 / (1 + distance.abs()) ** 2).mean((0, 1))  # SuperSpike as norse has it
        torch.testing.assert_close(found[key], derivative[:, None].expand_as(found[key]))

    membrane = torch.stack(expected["v2"])
    for readout, of_steps in (("mean-membrane", membrane.mean(0)), ("last-membrane", membrane[-1])):
        torch.testing.assert_close(adapt(net, images, timesteps=STEPS, readout=readout).network(images), of_steps)
    assert torch.equal(adapted.network.spikes(images), spikes)  # nothing goes on being recorded


@pytest.mark.parametrize("make", [nets.convolutional, nets.integrated])
def test_its_script_gives_the_same(make: Callable[[], nn.Module], images: Tensor) -> None:
    """Before and after the weights of recurrent neurons became layers."""
    net = seeded(make)
    expected = script(net, images)
    assert expected.any()
    assert torch.equal(adapt(net, images, timesteps=STEPS).network.spikes(images), expected)
    assert torch.equal(script(net, images), expected)


def test_recurrent_neurons_count_by_hand() -> None:
    """Input weights meet a constant current at every step; recurrent ones the spikes of the step before."""
    net = seeded(Inside)
    network = adapt(net, data().images).network
    found = {layer.layer: layer for layer in measure(network, data()).layers}
    state, spikes = None, []
    for _ in range(STEPS):
        out, state = seeded(Inside).recurrent(data().images.flatten(1), state)
        spikes.append(out)
    given, recurrent = found["net.recurrent.input_weights.weight"], found["net.recurrent.recurrent_weights.weight"]
    assert (given.macs, given.macs_once, given.acs) == (STEPS * 36 * 12, 36 * 12, 0)
    before = torch.stack(spikes[:-1]).sum().item()
    assert before > 0
    off_diagonal = 11  # the weights of one spike: norse's neurons do not feed themselves
    assert recurrent.acs == pytest.approx(before * off_diagonal / 40)
    assert given.neuron_updates == STEPS * 12
    assert found["net.fc.weight"].acs == pytest.approx(torch.stack(spikes).sum().item() * 4 / 40)


def test_cells_and_all_steps_count_the_same() -> None:
    found = [measure(adapted_of(make).network, data()) for make in (nets.cells, nets.all_steps)]
    assert found[0] == found[1]
    assert found[0].acs > 0


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_prunes_and_fine_tunes_it(name: str, make: Callable[..., nn.Module]) -> None:
    adapted, method = adapted_of(make), load_method(name)
    before = seeded(make).state_dict()
    size = sum(weight.numel() for weight in prunable_weights(adapted.network).values())
    params = Pruning(
        levels=[0.5, 0.8],
        criticality=CriticalityParams(batches=2, batch_size=20),
        finetune=FinetuneParams(epochs=1, batch_size=8, lr=0.01),
    )
    levels = prune_levels(adapted.network, data(), None, method, method.params(), params, seed=0)
    assert not method.exact or [level.mask.nnz for level in levels] == [keep_count(of, size) for of in (0.5, 0.8)]
    assert levels[1].mask.inside(levels[0].mask)
    state, named = adapted.state_dict(), adapted.mask(levels[-1].mask)
    assert list(state) == list(before)
    assert set(named) <= set(before)
    assert all(not state[key][~kept].any() for key, kept in named.items())
    again = make()
    again.load_state_dict(state, strict=True)
    network = adapt(again, data().images, timesteps=adapted.network.spec.timesteps).network
    assert torch.equal(network(data().images), adapted.network(data().images))


def test_weights_of_recurrent_neurons_are_layers_with_the_names_of_parameters(images: Tensor) -> None:
    net, plain = seeded(nets.convolutional), seeded(nets.convolutional)
    adapted = adapt(net, images, timesteps=STEPS)
    assert list(net.state_dict()) == list(plain.state_dict())
    assert {"4.input_weights", "4.recurrent_weights"} <= set(adapted.names.values())
    assert set(adapted.names.values()) == set(plain.state_dict())
    changed = {key: tensor + 1 for key, tensor in plain.state_dict().items()}
    for loading in (net, copy.deepcopy(net)):
        loading.load_state_dict(changed, strict=True)
        assert all(torch.equal(tensor, changed[key]) for key, tensor in loading.state_dict().items())
    with pytest.raises(RuntimeError, match=r"Missing key.*4\.recurrent_weights"):
        net.load_state_dict({key: tensor for key, tensor in changed.items() if key != "4.recurrent_weights"})
    again = adapt(net, images, timesteps=STEPS)
    assert again.names == adapted.names


def test_neurons_without_autapses_get_none_in_a_copy() -> None:
    """`snnprune.prune` works on a copy, where norse's hook on the parameter is lost."""
    net = seeded(Inside)
    adapted = adapt(net, data().images)
    pruned = prune(
        adapted.network,
        (data().images, data().labels),
        method="random",
        level=0.1,
        finetune=Finetune(epochs=1, lr=0.01),
    )
    weights = adapted.state_dict(pruned.network)["recurrent.recurrent_weights"]
    assert weights.any() and not weights.diagonal().any()


def test_criticality_by_hand(images: Tensor) -> None:
    labels = torch.arange(7) % 4
    adapted = adapt(seeded(nets.convolutional), images, timesteps=STEPS)
    found = criticality(adapted.network, [(images, labels)], "sensitivity", seed=0)
    net = seeded(nets.convolutional)
    nn.functional.cross_entropy(script(net, images).sum(0), labels).backward()
    assert [adapted.names[name] for name in found] == ["0.weight", "4.input_weights", "4.recurrent_weights", "5.weight"]
    for name, layer in found.items():
        torch.testing.assert_close(layer, net.get_parameter(adapted.names[name]).grad.abs())


def test_an_output_of_potentials() -> None:
    """Their sum over the steps is what classes are read from; the last weights feed no spiking neurons."""
    adapted, samples = adapted_of(nets.integrated), (data().images, data().labels)
    with torch.no_grad():
        torch.testing.assert_close(adapted.network(samples[0]), script(adapted.net, samples[0]).sum(0))
    assert prune(adapted.network, samples, level=0.8, finetune=Finetune(epochs=1)).levels[0].mask.sparsity > 0.79
    with pytest.raises(UserError, match=r"3.weight feeds no spiking neurons"):
        prune(adapted.network, samples, method="membrane")


def test_a_state_that_does_not_come_back(images: Tensor) -> None:
    class Lost(nn.Sequential):
        def forward(self, x: Tensor, state: Any = None) -> Tensor:
            return self[2](self[1](self[0](x)), state)[0]

    with pytest.raises(UserError, match=r"forward takes a state, but returned Tensor instead of \(spikes, state\)"):
        adapt(Lost(nn.Flatten(), nn.Linear(36, 4), norse.LIFCell(LIF)), images, timesteps=STEPS)


def test_neurons_that_are_not_known(images: Tensor) -> None:
    with pytest.raises(UserError, match=r"no spiking neurons; .*such as norse.torch.LIFCell"):
        adapt(norse.SequentialState(nn.Flatten(), norse.LIFAdExCell()), images, timesteps=STEPS)
