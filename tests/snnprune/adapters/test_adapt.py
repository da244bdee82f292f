"""What `adapt` is given: options as mappings, networks that cannot be taken, and what is left as it was."""

import copy
from typing import Any

import pytest
import snntorch
import torch
from torch import Tensor, nn

import snnprune
from snnprune.core.errors import UserError
from snnprune.core.own_model import Normalize
from snnprune.core.params import Rate
from tests.snnprune.adapters.own_nets import STEPS, Static, Step

IMAGES = torch.rand((7, 1, 6, 6), generator=torch.Generator().manual_seed(1))
DATA = IMAGES, torch.arange(7) % 4


def made(kind: type[nn.Module] = Step) -> nn.Module:
    torch.manual_seed(0)
    return kind()


class Shared(Step):
    """Two layers of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.again = nn.Linear(36, 12)
        self.again.weight = self.fc1.weight


class Remembering(Static):
    """Adds to its input what it saw in the call before."""

    last = 0.0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        now, self.last = 3 * x + self.last, 3 * x.mean()
        return super().forward(now)


class Writing(Static):
    """Changes its input in place."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(x.mul_(3))


@pytest.mark.parametrize(
    ("mapping", "block"),
    [
        ({"encoding": {"name": "rate", "gain": 0.5}}, {"encoding": Rate(name="rate", gain=0.5)}),
        ({"normalize": {"mean": 0.5, "std": 0.1}}, {"normalize": Normalize(mean=0.5, std=0.1)}),
    ],
)
def test_options_are_mappings_or_blocks(mapping: dict[str, Any], block: dict[str, Any]) -> None:
    one, other = (snnprune.adapt(made(), IMAGES, timesteps=STEPS, **options).network for options in (mapping, block))
    assert torch.equal(one(IMAGES, seed=0), other(IMAGES, seed=0))
    plain = snnprune.adapt(made(), IMAGES, timesteps=STEPS).network
    assert not torch.equal(one(IMAGES, seed=0), plain(IMAGES, seed=0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timesteps": 0}, "adapt.timesteps: Input should be greater than or equal to 1; found 0"),
        ({"timesteps": 2.5}, "adapt.timesteps: .* valid integer"),
        ({"encoding": "rate"}, "adapt.encoding: expected a mapping .* found 'rate'"),
        ({"readout": "membrane"}, "adapt.readout: .*'count', 'mean-membrane' or 'last-membrane'; found 'membrane'"),
        ({"normalize": (0.5, 0.1)}, "adapt.normalize: expected a mapping with the keys mean, std"),
        ({"images": DATA}, "images: expected a tensor or an array; found tuple"),
        ({"images": IMAGES[:0]}, r"images: found none, \[0, 1, 6, 6\]"),
        ({"images": IMAGES[:2]}, "images: at least three samples"),
        ({"images": (255 * IMAGES).byte()}, "images: expected floating point .*; found torch.uint8"),
        ({"images": IMAGES * torch.nan}, "images: expected numbers, 0..1; found NaN"),
        ({"net": Step}, "net: expected a torch.nn.Module; found the class Step; give an instance"),
        ({"net": nn.Linear(36, 4)}, "Linear: no spiking neurons"),
        ({"net": Shared()}, "again: its weight is that of fc1 too; layers that are pruned cannot share one"),
        ({"net": made(Remembering)}, "Remembering: the same images gave another output the second time"),
    ],
)
def test_what_cannot_be_taken_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        snnprune.adapt(**{"net": made(), "images": IMAGES, "timesteps": STEPS, **options})


def test_a_forward_that_writes_into_its_input_changes_no_data() -> None:
    images, labels = IMAGES.clone(), DATA[1]
    network = snnprune.adapt(made(Writing), images).network
    found = [snnprune.accuracy(network, (images, labels)) for _ in range(2)]
    assert torch.equal(images, IMAGES)
    assert found[0] == found[1]
    usual = snnprune.adapt(made(Static), 3 * IMAGES).network
    assert torch.equal(network(images), usual(3 * IMAGES))


@pytest.mark.parametrize("neuron", ["Leaky", "SLSTM"])
def test_a_network_that_was_run_before_is_copied_and_pruned(neuron: str) -> None:
    """Its neurons keep states that belong to the graph of that run."""
    net = made()
    if neuron == "SLSTM":
        net.lif1 = snntorch.SLSTM(12, 12, init_hidden=True, threshold=0.01)
    network = snnprune.adapt(net, IMAGES, timesteps=STEPS, fast=False).network
    net(IMAGES)
    pruned = snnprune.prune(network, DATA, level=0.5, finetune={"epochs": 1})
    assert pruned.nnz == round(0.5 * sum(layer.numel() for layer in pruned.mask.values()))
    held = copy.deepcopy(network)
    assert torch.equal(held(IMAGES), network(IMAGES))
    assert {id(tensor) for tensor in held.parameters()}.isdisjoint(id(tensor) for tensor in network.parameters())
