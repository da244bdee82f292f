"""Each convention of a user's forward, run by the library and by a loop written by hand: the same spikes."""

from collections.abc import Callable

import pytest
import snntorch
import torch
from snntorch import spikegen
from torch import Tensor, nn

from snnprune.adapters.adapt import adapt
from snnprune.adapters.convention import find
from snnprune.core.errors import UserError
from snnprune.core.params import Direct, Frames, Latency, Rate
from tests.snnprune.adapters import own_nets
from tests.snnprune.adapters.own_nets import STEPS, Kinds, Recurrent, Residual, Sequence, Static, Step, Summed

LOOPING = [own_nets.Vector, own_nets.Lists, own_nets.ListOfSpikes, own_nets.ListOfPairs, Static]
DIRECT = Direct(name="direct")


def made(kind: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind()


@pytest.fixture
def images() -> Tensor:
    return 3 * torch.rand((7, 1, 6, 6), generator=torch.Generator().manual_seed(1))


def by_hand(net: Static | Step, currents: list[Tensor], reset_delay: bool = True) -> tuple[Tensor, Tensor]:
    """Spikes and membranes [T, B, 4] of the two layers, from the equations alone: beta 0.9, threshold 0.3, subtract."""
    potentials = [torch.zeros(len(currents[0]), size) for size in (12, 4)]
    fired = [torch.zeros_like(potential) for potential in potentials]
    spikes, membranes = [], []
    for now in currents:
        values = now.flatten(1)
        for index, layer in enumerate((net.fc1, net.fc2)):
            last = fired[index] if reset_delay else torch.zeros_like(fired[index])
            potentials[index] = 0.9 * potentials[index] + layer(values) - last * 0.3
            values = fired[index] = (potentials[index] > 0.3).float()
            if not reset_delay:
                potentials[index] = potentials[index] - values * 0.3
        spikes.append(values)
        membranes.append(potentials[1])
    return torch.stack(spikes).detach(), torch.stack(membranes).detach()


@pytest.mark.parametrize("kind", [*LOOPING, Sequence, Step])
def test_a_constant_current(kind: type, images: Tensor) -> None:
    net = made(kind)
    network = adapt(net, images, timesteps=None if kind in LOOPING else STEPS, fast=False).network
    spikes, membranes = by_hand(net, [images] * STEPS)
    assert spikes.any() and not spikes.all()
    assert torch.equal(network.spikes(images), spikes)
    assert torch.equal(network(images), spikes.sum(0))
    for readout, expected in (("mean-membrane", membranes.mean(0)), ("last-membrane", membranes[-1])):
        adapted = adapt(net, images, timesteps=STEPS, readout=readout, fast=True).network
        torch.testing.assert_close(adapted(images), expected)
        torch.testing.assert_close(adapted.spikes(images)[:3].sum(0), (membranes[:3].sum(0) / STEPS, membranes[2])[
            readout == "last-membrane"
        ])  # fmt: skip


def test_a_sum_that_the_network_made_itself(images: Tensor) -> None:
    net = made(Summed)
    network = adapt(net, images, fast=False).network
    assert network.spikes(images).shape == (1, 7, 4)
    assert torch.equal(network(images), by_hand(net, [images] * STEPS)[0].sum(0))


@pytest.mark.parametrize("kind", [Sequence, Step])
def test_rate_latency_and_frames(kind: type, images: Tensor) -> None:
    net, pixels = made(kind), images / 3
    network = adapt(net, pixels, timesteps=STEPS, encoding=Rate(name="rate"), fast=False).network
    state = torch.get_rng_state()
    found = network.spikes(pixels, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(3)
    assert torch.equal(found, by_hand(net, list(spikegen.rate(pixels, num_steps=STEPS)))[0])
    assert not torch.equal(found, network.spikes(pixels, seed=4))

    network = adapt(net, pixels, timesteps=STEPS, encoding=Latency(name="latency"), fast=False).network
    encoded = spikegen.latency(pixels, num_steps=STEPS, normalize=True, linear=True, clip=True)
    assert torch.equal(network.spikes(pixels), by_hand(net, list(encoded))[0])

    frames = torch.poisson(torch.full((7, STEPS, 1, 6, 6), 0.5), generator=torch.Generator().manual_seed(0)).byte()
    network = adapt(net, frames, timesteps=STEPS, encoding=Frames(name="frames"), fast=False).network
    assert torch.equal(network.spikes(frames), by_hand(net, list(frames.float().transpose(0, 1)))[0])


@pytest.mark.parametrize("kind", [Sequence, Step])
def test_a_shorter_run_is_the_beginning_of_the_whole_one_where_the_caller_loops(kind: type, images: Tensor) -> None:
    network = adapt(made(kind), images, timesteps=STEPS, fast=False).network
    assert torch.equal(network.spikes(images, steps=2), network.spikes(images)[:2])
    with pytest.raises(ValueError, match=r"steps must be 1\.\.5"):
        network.spikes(images, steps=6)


def test_a_network_that_loops_itself_cannot_be_shortened(images: Tensor) -> None:
    network = adapt(made(Static), images, fast=False).network
    with pytest.raises(UserError, match="forward runs 5 steps of its own"):
        network.spikes(images, steps=2)


def test_a_reset_at_once(images: Tensor) -> None:
    net = made(lambda: Static(reset_delay=False))
    adapted = adapt(net, images)
    assert "no plain Leaky" in adapted.why
    expected = by_hand(net, [images] * STEPS, reset_delay=False)[0]
    assert torch.equal(adapted.network.spikes(images), expected)
    assert not torch.equal(expected, by_hand(net, [images] * STEPS)[0])


def test_states_do_not_leak_from_one_batch_into_the_next(images: Tensor) -> None:
    for kind in (Step, Recurrent, Kinds):
        network = adapt(made(kind), images, timesteps=STEPS, fast=False).network
        first = network.spikes(images)
        network.spikes(images[:3])
        assert torch.equal(network.spikes(images), first)
        assert all(not neuron.mem.any() for neuron in network.modules() if isinstance(neuron, snntorch.SpikingNeuron))


def test_a_network_in_a_network_keeps_its_states_over_the_steps(images: Tensor) -> None:
    inner = made(Step)
    outer = nn.Sequential(nn.Identity(), nn.Sequential(inner))
    assert torch.equal(
        adapt(outer, images, timesteps=STEPS, fast=False).network(images),
        by_hand(inner, [images] * STEPS)[0].sum(0),
    )


@pytest.mark.parametrize(
    ("kind", "timesteps", "message"),
    [
        (Step, None, "timesteps: missing; the network's forward does not say how many steps it is run"),
        (Sequence, None, "forward takes no samples .*it loops over the samples.*give their number: timesteps"),
        (Static, 7, "timesteps: found 7; the network's forward runs 5 steps of its own"),
        (lambda: nn.Linear(36, 4), None, "Linear: no spiking neurons; expected some of snnTorch's"),
    ],
)
def test_what_the_network_does_not_say(
    kind: Callable[[], nn.Module], timesteps: int | None, message: str, images: Tensor
) -> None:
    with pytest.raises(UserError, match=message):
        find(made(kind), images, DIRECT, timesteps)


def test_samples_that_it_does_not_take(images: Tensor) -> None:
    with pytest.raises(UserError, match=r"Static.forward takes none of: input \[2, 1, 5, 5\]: mat1 and mat2 shapes"):
        find(made(Static), images[..., 1:, 1:], DIRECT, STEPS)


def test_an_output_that_is_none(images: Tensor) -> None:
    class BatchFirst(Static):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)[0].transpose(0, 1)

    with pytest.raises(UserError, match=r"forward returned \[2, 5, 4\]; expected \[T, B, classes\] of T 5, B 2"):
        find(made(BatchFirst), images, DIRECT, None)


def test_weights_that_nothing_can_be_said_of(images: Tensor) -> None:
    net = made(Residual)
    net.skip.weight.requires_grad_(False)
    with pytest.raises(UserError, match=r"^skip.weight: requires_grad is false"):
        adapt(net, images)
    net = made(Step)
    net.extra = nn.Linear(3, 3)
    with pytest.raises(UserError, match=r"^extra.weight: no gradient comes there"):
        adapt(net, images, timesteps=STEPS)
    for neuron in (net.lif1, net.lif2):
        neuron.spike_grad = neuron._surrogate_bypass
    with pytest.raises(UserError, match="no gradient"):
        adapt(net, images, timesteps=STEPS)
