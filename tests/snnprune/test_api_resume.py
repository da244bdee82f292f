"""`resume=` of `train` and `prune`: an interrupted run goes on, and from the same run alone."""

from pathlib import Path

import pytest
import snntorch
import torch
from torch import Tensor, nn
from torch.nn import functional

import snnprune
from snnprune.core.training.loss import cross_entropy

IMAGES, LABELS = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 3
DATA = IMAGES, LABELS
Net = snnprune.SpikingNetwork


@pytest.fixture(scope="module")
def net() -> Net:
    return snnprune.train(snnprune.build([16, 12, 3], timesteps=5), DATA, training=snnprune.Training(epochs=2))


def parameters(network: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_an_interrupted_run_goes_on(net: Net, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(level: float, epoch: snnprune.Epoch) -> None:
        if (level, epoch.epoch) == (0.9, 1):
            raise Stop

    options = {"level": [0.5, 0.9], "finetune": snnprune.Finetune(epochs=2)}
    with pytest.raises(Stop):
        snnprune.prune(net, DATA, **options, on_epoch=stop, resume=tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["level-0.5.pt", "level-0.9.pt"]
    seen: list[tuple[float, int]] = []
    again = snnprune.prune(
        net, DATA, **options, on_epoch=lambda level, epoch: seen.append((level, epoch.epoch)), resume=tmp_path
    )
    assert seen == [(0.5, 1), (0.5, 2), (0.9, 1), (0.9, 2)]
    assert same(parameters(again.network), parameters(snnprune.prune(net, DATA, **options).network))


def others_loss(counts: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(counts, images, labels)


def net_of(seed: int = 0, **model: object) -> Net:
    return snnprune.build([16, 12, 3], **{"timesteps": 5, "seed": seed, **model})


TRAINED = {"network": net_of(), "data": DATA, "training": snnprune.Training(epochs=2)}
OTHER_RUNS = [
    {"seed": 1},
    {"training": snnprune.Training(epochs=1)},
    {"training": snnprune.Training(epochs=2, lr=0.1)},
    {"network": net_of(seed=1)},
    {"network": net_of(beta=0.5)},  # the weights are alike
    {"data": (IMAGES.flip(0), LABELS)},
    {"data": (IMAGES, LABELS.flip(0))},
    {"validation": DATA},
    {"loss": others_loss},
]


@pytest.mark.parametrize("other", OTHER_RUNS)
def test_training_goes_on_from_the_same_run_alone(tmp_path: Path, other: dict[str, object]) -> None:
    def run(**options: object) -> Net:
        return snnprune.train(**{**TRAINED, **options}, resume=tmp_path / "state")

    trained = run()
    with pytest.raises(snnprune.UserError, match="state: not of this network and training; delete it to start anew"):
        run(**other)
    assert same(parameters(run()), parameters(trained))


PRUNED = {"network": net_of(), "data": DATA, "level": [0.5, 0.75], "finetune": {"epochs": 1}}
GRADUAL = {**PRUNED, "method": "cqp_gradual"}


@pytest.mark.parametrize(
    ("options", "other"),
    [
        (PRUNED, {"method": "random"}),
        (PRUNED, {"scope": "layer"}),
        (PRUNED, {"seed": 1}),
        (PRUNED, {"network": net_of(seed=1)}),
        (PRUNED, {"data": (IMAGES, LABELS.flip(0))}),
        (PRUNED, {"finetune": {"epochs": 1, "lr": 0.1}}),
        (PRUNED, {"compensate": True}),
        (PRUNED, {"fan_in": 10}),
        (GRADUAL, {"method": "cqp"}),
        (GRADUAL, {"method_params": {"rounds": 2}}),
        (GRADUAL, {"method_params": {"alpha": 2.0}}),
        (GRADUAL, {"criticality": {"kind": "membrane"}}),
    ],
)
def test_pruning_goes_on_from_the_same_run_alone(
    tmp_path: Path, options: dict[str, object], other: dict[str, object]
) -> None:
    pruned = snnprune.prune(**options, resume=tmp_path)
    with pytest.raises(snnprune.UserError, match=r"level-0.5.pt: not of this network and training; delete it"):
        snnprune.prune(**{**options, **other}, resume=tmp_path)
    more = snnprune.prune(**{**options, "level": [0.5, 0.75, 0.9]}, resume=tmp_path)  # the levels before are the same
    assert same(more.levels[1].parameters, pruned.levels[1].parameters)


class Average(nn.Sequential):
    """A user's network, of one layer."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 3), snntorch.Leaky(beta=0.9, init_hidden=True))

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(functional.avg_pool2d(images, 2).flatten(1))


class Largest(Average):
    """Another one, with the same weights."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.Sequential.forward(self, functional.max_pool2d(images, 2).flatten(1))


def test_pruning_goes_on_with_the_same_forward_alone(tmp_path: Path) -> None:
    average, largest = Average(), Largest()
    largest.load_state_dict(average.state_dict())
    options = {"data": DATA, "level": 0.5, "finetune": {"epochs": 1}, "resume": tmp_path}
    found = [snnprune.prune(snnprune.adapt(average, IMAGES, timesteps=3).network, **options) for _ in range(2)]
    assert same(*(parameters(pruned.network) for pruned in found))
    with pytest.raises(snnprune.UserError, match=r"level-0.5.pt: not of this network and training; delete it"):
        snnprune.prune(snnprune.adapt(largest, IMAGES, timesteps=3).network, **options)
