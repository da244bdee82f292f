"""SpikingJelly's networks, run and pruned by the library: against their equations, and against plain SpikingJelly."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("spikingjelly")

from spikingjelly.activation_based import functional, neuron

from snnprune.adapters.adapt import Adapted, adapt
from snnprune.adapters.neurons import set_reset
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
from tests.snnprune.adapters.packages.jelly_nets import STEPS, Inside, TwoLayers, convolutional, merged, seeded

THRESHOLD, TAU = 0.3, 2.0
RESETS = [None, 0.0, 0.1]
EVERY = [Inside, TwoLayers, partial(TwoLayers, step_mode="m"), convolutional, partial(convolutional, "m"), merged]


@pytest.fixture
def images() -> Tensor:
    return 3 * torch.rand((7, 1, 6, 6), generator=torch.Generator().manual_seed(1))


def data() -> Split:
    generator = torch.Generator().manual_seed(1)
    return Split(3 * torch.rand((40, 1, 6, 6), generator=generator), torch.randint(4, (40,), generator=generator))


def adapted_of(make: Callable[..., nn.Module], **options: object) -> Adapted:
    timesteps = None if make is Inside else STEPS
    return adapt(seeded(make), data().images, timesteps=timesteps, **options)


def by_hand(net: TwoLayers, images: Tensor, decay: bool, v_reset: float | None) -> dict[str, list[Tensor]]:
    """Of the two layers, each step: h, the potential that is held against the threshold; v, that after the reset; and
    the spikes. The equations of the package's documentation; tau is infinite where neurons do not leak."""
    leak = 0.0 if isinstance(net.lif1, neuron.IFNode) else 1 / TAU
    rest = v_reset or 0.0
    v = [torch.full((len(images), size), rest) for size in (12, 4)]
    found: dict[str, list[Tensor]] = {key: [] for key in ("h1", "h2", "v2", "s1", "s2")}
    for _ in range(STEPS):
        values = images.flatten(1)
        for index, layer in enumerate((net.fc1, net.fc2)):
            current = layer(values)
            h = v[index] + (leak * (current - (v[index] - rest)) if decay else current - leak * (v[index] - rest))
            values = (h >= THRESHOLD).float()
            v[index] = h - THRESHOLD * values if v_reset is None else torch.where(values.bool(), v_reset, h)
            found[f"h{index + 1}"].append(h.detach())
            found[f"s{index + 1}"].append(values)
        found["v2"].append(v[1].detach())
    return found


@pytest.mark.parametrize("v_reset", RESETS)
@pytest.mark.parametrize(
    ("kind", "decay"),
    [
        ("IFNode", None),
        ("LIFNode", True),
        ("LIFNode", False),
        ("ParametricLIFNode", True),
        ("ParametricLIFNode", False),
    ],
)
@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_it_runs_as_its_equations_say(
    step_mode: str, kind: str, decay: bool | None, v_reset: float | None, images: Tensor
) -> None:
    options = {"v_reset": v_reset} | ({} if decay is None else {"decay_input": decay})
    net = seeded(TwoLayers, kind, step_mode, **options)
    expected = by_hand(net, images, bool(decay), v_reset)
    adapted = adapt(net, images, timesteps=STEPS)
    assert adapted.network.spec.convention.time == {"s": "outside", "m": "sequence"}[step_mode]
    assert adapted.why == "its neurons are SpikingJelly's, which reset at once"
    spikes = torch.stack(expected["s2"])
    assert 0 < spikes.mean() < 1
    assert torch.equal(adapted.network.spikes(images), spikes)
    assert torch.equal(adapted.network.spikes(images), spikes)  # no state is left
    assert torch.equal(adapted.network.spikes(images, steps=2), spikes[:2])

    found = criticality(adapted.network, [(images, torch.zeros(7).long())], "membrane", seed=0)
    for index, key in ((1, "net.fc1.weight"), (2, "net.fc2.weight")):
        distance = torch.stack(expected[f"h{index}"]) - THRESHOLD
        derivative = (1 / (1 + (torch.pi * distance) ** 2)).mean((0, 1))  # ATan of alpha 2
        torch.testing.assert_close(found[key], derivative[:, None].expand_as(found[key]))
    assert type(net.lif1.surrogate_function).__name__ == "ATan"

    membrane = torch.stack(expected["v2"])
    for readout, of_steps in (("mean-membrane", membrane.mean(0)), ("last-membrane", membrane[-1])):
        torch.testing.assert_close(adapt(net, images, timesteps=STEPS, readout=readout).network(images), of_steps)
    assert not net.lif2.store_v_seq


def test_the_loop_inside_and_rates_as_output(images: Tensor) -> None:
    net = seeded(Inside)
    network = adapt(net, images).network
    expected = torch.stack(by_hand(net, images, True, 0.0)["s2"]).mean(0)
    assert network.spec.timesteps == STEPS
    torch.testing.assert_close(network(images), expected)


def test_its_script_gives_the_same_spikes(images: Tensor) -> None:
    """`functional.reset_net`, then a loop or one call: with BatchNorm, dropout and pooling."""
    for step_mode in "sm":
        net = seeded(convolutional, step_mode).eval()
        functional.reset_net(net)
        with torch.no_grad():
            spikes = (
                torch.stack([net(images) for _ in range(STEPS)])
                if step_mode == "s"
                else net(images.expand(STEPS, *images.shape))
            )
        assert spikes.any()
        assert torch.equal(adapt(net, images, timesteps=STEPS).network.spikes(images), spikes)


@pytest.mark.parametrize("steps", [None, 2])
def test_the_modes_count_the_same(steps: int | None) -> None:
    """One step a call, and all steps in one; the input is constant, so the convolution could be computed once."""
    found = []
    for step_mode in "sm":
        network = adapt(seeded(convolutional, step_mode).eval(), data().images, timesteps=STEPS).network
        found.append(measure(network, data(), steps))
    assert found[0] == found[1]
    convolution, *_ = found[0].layers
    assert convolution.macs_once == convolution.macs / (steps or STEPS) > 0
    assert found[0].acs > 0


def test_time_and_samples_in_one_dimension() -> None:
    """Operations of the convolution one by one: the input is not zero, so each pixel meets 9 x 4 weights, less the
    border; those of the linear layer are the spikes times 4."""
    network = adapt(seeded(merged), data().images, timesteps=STEPS).network
    assert set(network.wiring.layouts.values()) == {"merged"}
    convolution, linear = measure(network, data()).layers
    meetings = 4 * (6 * 3 - 2) ** 2  # of a side of 6 pixels with 3 taps, without those outside
    assert (convolution.macs, convolution.macs_once) == (STEPS * meetings, meetings)
    assert convolution.neuron_updates == STEPS * 36
    assert linear.acs == pytest.approx(4 * convolution.spike_rate * convolution.neuron_updates)


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_prunes_and_fine_tunes_it(name: str, make: Callable[..., nn.Module]) -> None:
    adapted, method = adapted_of(make), load_method(name)
    before = adapted.state_dict()
    size = sum(weight.numel() for weight in prunable_weights(adapted.network).values())
    params = Pruning(
        levels=[0.5, 0.8],
        criticality=CriticalityParams(batches=2, batch_size=20),
        finetune=FinetuneParams(epochs=1, batch_size=8, lr=0.01),
    )
    levels = prune_levels(adapted.network, data(), None, method, method.params(), params, seed=0)
    assert not method.exact or [level.mask.nnz for level in levels] == [keep_count(of, size) for of in (0.5, 0.8)]
    assert levels[1].mask.inside(levels[0].mask)
    state = adapted.state_dict()
    assert list(state) == list(before)
    assert all(not state[key][~kept].any() for key, kept in adapted.mask(levels[-1].mask).items())
    again = make()
    again.load_state_dict(state, strict=True)
    network = adapt(again, data().images, timesteps=adapted.network.spec.timesteps).network.eval()
    assert torch.equal(network(data().images), adapted.network.eval()(data().images))


def test_what_is_learned_in_a_neuron_is_fine_tuned() -> None:
    adapted = adapted_of(convolutional)
    before = adapted.state_dict()
    method = load_method("magnitude")
    params = Pruning(levels=[0.5], finetune=FinetuneParams(epochs=1, batch_size=8, lr=0.01))
    prune_levels(adapted.network, data(), None, method, method.params(), params, seed=0)
    for key in ("7.w", "1.weight", "1.running_mean"):
        assert not torch.equal(before[key], adapted.state_dict()[key])


def test_criticality_by_hand(images: Tensor) -> None:
    net, labels = seeded(TwoLayers, step_mode="m"), torch.arange(7) % 4
    network = adapt(net, images, timesteps=STEPS).network
    found = criticality(network, [(images, labels)], "sensitivity", seed=0)
    functional.reset_net(net)
    nn.functional.cross_entropy(net(images.expand(STEPS, *images.shape)).sum(0), labels).backward()
    for key, weight in prunable_weights(net).items():
        torch.testing.assert_close(found[f"net.{key}"], weight.grad.abs())


def test_its_reset_is_what_it_was_built_with() -> None:
    with pytest.raises(
        UserError, match=r"lif1: reset and reset_delay are for snnTorch's neurons; SpikingJelly's reset"
    ):
        set_reset(TwoLayers(), "zero", None)
    set_reset(TwoLayers(), None, None)


def test_a_surrogate_that_is_none(images: Tensor) -> None:
    net = seeded(TwoLayers)
    network = adapt(net, images, timesteps=STEPS).network
    for layer in (net.lif1, net.lif2):
        layer.surrogate_function = nn.Threshold(0.0, 0.0)
        layer.surrogate_function.forward = lambda distance: (distance >= 0).float()
    with pytest.raises(UserError, match="SpikingJelly's LIFNode: its surrogate gradient is switched off"):
        criticality(network, [(images, torch.zeros(7).long())], "membrane", seed=0)


def test_neurons_that_are_not_known(images: Tensor) -> None:
    with pytest.raises(UserError, match=r"no spiking neurons; .*such as spikingjelly.activation_based.neuron.LIFNode"):
        adapt(nn.Sequential(nn.Linear(36, 4), neuron.PSN(T=STEPS)), images, timesteps=STEPS)
