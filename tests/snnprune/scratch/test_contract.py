"""One contract for every way to train from scratch: the exact number of synapses at every step, nothing beside them,
and the same bits again, interrupted or not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from snnprune.core.checkpoint import copy_parameters
from snnprune.core.dataset import Dataset
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.fit import ResumePoint
from snnprune.core.training.params import FitParams
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.problem import Problem
from snnprune.pruning.select import keep_count
from snnprune.scratch import train as module
from snnprune.scratch.moving import MovingMask
from snnprune.scratch.registry import available, load_approach
from snnprune.scratch.train import train_sparse

Made = Callable[..., Any]
FIT = FitParams(epochs=4, batch_size=16, lr=0.01, optimizer="adamw", weight_decay=0.01)  # of four steps each
MOVING = [name for name in available() if load_approach(name).rewiring]
every_approach = pytest.mark.parametrize("name", available())


@pytest.fixture
def trained(network: Made, problem: Made, dataset: Dataset) -> Made:
    """Trains a net by an approach: the mask at first and at last, the network, and the validation accuracies."""

    def run(
        name: str, kind: str = "linear", level: float = 0.8, resume: ResumePoint | None = None, seed: int = 0
    ) -> tuple[Mask, Mask, SpikingNetwork, list[float]]:
        approach, net = load_approach(name), network(kind)
        first = approach.mask(problem(net, level, seed))
        last, epochs = train_sparse(
            net, first, approach.rewiring, dataset.train, dataset.validation, FIT,
            every=3, seed_path=(seed, 0, 5), resume=resume,
        )  # fmt: skip
        return first, last, net, [epoch.validation_accuracy for epoch in epochs]

    return run


def require_same_bits(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_all_are_found() -> None:
    assert available() == ["lottery", "random_static", "rigl", "set", "snip", "synflow"]
    assert MOVING == ["rigl", "set"]
    assert [name for name in available() if load_approach(name).rewinds] == ["lottery"]
    with pytest.raises(UserError, match="unknown way to train from scratch 'grasp'; available are: lottery, random_"):
        load_approach("grasp")


@pytest.mark.parametrize("kind", ["linear", "conv"])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
@every_approach
def test_the_first_mask(name: str, level: float, kind: str, network: Made, problem: Made) -> None:
    approach, net = load_approach(name), network(kind)
    before, drawn = copy_parameters(net), torch.get_rng_state()
    one: Problem = problem(net, level)
    mask = approach.mask(one)
    assert mask.nnz == keep_count(level, mask.size) == one.keep
    assert {key: layer.shape for key, layer in mask.items()} == {key: w.shape for key, w in one.weights.items()}
    assert torch.equal(mask.vector(), approach.mask(one).vector())
    assert torch.equal(torch.get_rng_state(), drawn)
    require_same_bits(copy_parameters(net), before)
    other = approach.mask(problem(net, level, seed=1)).vector()
    assert torch.equal(other, mask.vector()) == (name in ("lottery", "synflow"))


@pytest.mark.parametrize("kind", ["linear", "conv"])
@every_approach
def test_what_is_trained(name: str, kind: str, trained: Made, network: Made) -> None:
    first, last, net, accuracies = trained(name, kind)
    assert last.nnz == first.nnz == keep_count(0.8, last.size)
    assert [layer.sum() for layer in last.values()] == [layer.sum() for layer in first.values()]
    assert torch.equal(last.vector(), first.vector()) == (name not in MOVING)
    weights, start = prunable_weights(net), prunable_weights(network(kind))
    assert not any(weight[~last[key]].any() for key, weight in weights.items())
    assert not all(torch.equal(weight, start[key] * last[key]) for key, weight in weights.items())
    assert len(accuracies) == FIT.epochs
    again = trained(name, kind)
    require_same_bits(copy_parameters(again[2]), copy_parameters(net))
    assert torch.equal(again[1].vector(), last.vector())


@pytest.mark.parametrize("level", [0.5, 0.8])  # at 0.5 the last layers are in dense form
@pytest.mark.parametrize("kind", ["linear", "conv"])
@pytest.mark.parametrize("name", MOVING)
def test_the_number_is_exact_after_every_step(
    name: str, kind: str, level: float, trained: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_step, seen = MovingMask.after_step, []

    def watched(self: MovingMask) -> None:
        before = self.mask
        after_step(self)
        outside = [int(weight[~self.mask[key]].count_nonzero()) for key, weight in self.weights().items()]
        fresh = [int(weight[self.mask[key] & ~before[key]].count_nonzero()) for key, weight in self.weights().items()]
        seen.append((self.mask.nnz, max(outside), max(fresh), not torch.equal(before.vector(), self.mask.vector())))

    monkeypatch.setattr(MovingMask, "after_step", watched)
    _, last, _, _ = trained(name, kind, level)
    assert [row[:3] for row in seen] == [(keep_count(level, last.size), 0, 0)] * 16
    # RigL every third step below 12 = 0.75 * 16, SET after every epoch of four steps but the last; the smallest share
    # of the few synapses of the convolutional net is none.
    due, moved = {"rigl": {3, 6, 9}, "set": {4, 8, 12}}[name], {step for step, row in enumerate(seen, 1) if row[3]}
    assert moved == due or (kind == "conv" and moved == due - {9})


@pytest.mark.parametrize("kind", ["linear", "conv"])
@every_approach
def test_an_interrupted_training_ends_with_the_same_bits(
    name: str, kind: str, trained: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, mask, whole, accuracies = trained(name, kind)
    save, saves = ResumePoint.save, []

    def interrupted(self: ResumePoint, state: dict[str, Any]) -> None:
        save(self, state)
        saves.append(self.path)
        if len(saves) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(ResumePoint, "save", interrupted)
    point = ResumePoint(tmp_path / "net.pt")
    with pytest.raises(KeyboardInterrupt):
        trained(name, kind, resume=point)
    _, found, net, again = trained(name, kind, resume=point)
    assert len(saves) == FIT.epochs
    assert torch.equal(found.vector(), mask.vector())
    assert again == accuracies
    require_same_bits(copy_parameters(net), copy_parameters(whole))


def test_a_resume_point_of_another_net_is_refused(trained: Made, tmp_path: Path) -> None:
    point = ResumePoint(tmp_path / "net.pt")
    trained("snip", resume=point)
    with pytest.raises(UserError, match=r"net\.pt: not of this network and training; delete it"):
        trained("rigl", resume=point)
    point.path.unlink()
    trained("set", resume=point)
    with pytest.raises(UserError, match=r"net\.pt: not of this network and training; delete it"):
        trained("set", level=0.7, resume=point)


def test_both_forms_of_a_layer_are_trained_alike(trained: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    _, mask, _, _ = trained("set")
    monkeypatch.setattr("snnprune.pruning.finetune.DENSE_FROM", 0.0)
    _, found, _, _ = trained("set")
    # Sums in another order tip a few spikes, and with them a few synapses.
    assert found.nnz == mask.nnz
    assert (found.vector() ^ mask.vector()).double().mean() < 0.05


@pytest.mark.parametrize("epoch", [0, 2])
def test_rewinding_is_the_dense_training_up_to_there(epoch: int, network: Made, dataset: Dataset) -> None:
    params = FIT.model_copy(update={"schedule": "one_cycle"})
    stages = [copy_parameters(network("linear"))]
    net = network("linear")
    module.fit(
        net, module.make_optimizer(net, params), dataset.train, dataset.validation, params,
        seed_path=(7,), on_epoch=lambda done: stages.append(copy_parameters(net)),
    )  # fmt: skip
    found = module.rewound(network("linear"), epoch, dataset.train, params, seed=7)
    require_same_bits(found, stages[epoch])


def test_a_fresh_net_has_the_weights_of_the_first_step(network: Made) -> None:
    net = network("conv")
    before = copy_parameters(net)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0)
    require_same_bits(copy_parameters(module.fresh(net, 0)), before)
    assert all(parameter.eq(1.0).all() for parameter in net.parameters())
    other = copy_parameters(module.fresh(net, 1))
    assert not any(torch.equal(other[name], tensor) for name, tensor in before.items())
