"""Pruning in rounds during fine-tuning: when and how many, moments that go on, masks that hold, the same after a stop."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from snnprune.core.checkpoint import copy_parameters
from snnprune.core.dataset import Dataset
from snnprune.core.network import SpikingNetwork
from snnprune.core.schema import Block
from snnprune.core.training import fit as fit_module
from snnprune.core.training.fit import Epoch, ResumePoint, make_optimizer
from snnprune.core.training.loss import CROSS_ENTROPY
from snnprune.core.training.params import FinetuneParams, FitParams
from snnprune.pruning import finetune, gradual
from snnprune.pruning.gradual import finetune_gradually, round_steps
from snnprune.pruning.iterate import PrunedLevel, prune_levels
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import CriticalityParams, PruneParams
from snnprune.pruning.problem import Method, Problem
from snnprune.pruning.registry import load_method
from snnprune.pruning.select import keep_counts, keep_top
from snnprune.sparse.linear import SparseLinear

Dense = Callable[[], SpikingNetwork]
LEVELS = [0.5, 0.8, 0.95]
PARAMS = FitParams(epochs=4, batch_size=20, lr=0.01, optimizer="adamw", schedule="one_cycle", weight_decay=0.01)


@pytest.mark.parametrize(
    ("rounds", "steps", "expected"),
    [(4, 80, [0, 10, 20, 30]), (1, 80, [0]), (4, 6, [0, 0, 1, 2]), (4, 1, [0, 0, 0, 0]), (2, 3, [0, 0])],
)
def test_rounds_are_at_steps_evenly_over_the_first_half(rounds: int, steps: int, expected: list[int]) -> None:
    assert round_steps(rounds, steps) == expected


@pytest.mark.parametrize(
    ("left", "keep", "rounds", "expected"),
    [(1600, 100, 4, [800, 400, 200, 100]), (10, 10, 3, [10] * 3), (7, 0, 2, [0, 0]), (0, 0, 2, [0, 0]), (9, 4, 1, [4])],
)
def test_each_round_keeps_the_same_share(left: int, keep: int, rounds: int, expected: list[int]) -> None:
    assert keep_counts(left, keep, rounds) == expected


def by_size(network: SpikingNetwork, mask: Mask, keep: int) -> Mask:
    """The largest `keep` of the synapses in `mask`."""
    weights = prunable_weights(network)
    sizes = torch.cat([weights[name].detach().abs().flatten() for name in mask])
    return mask.with_vector(keep_top(sizes.masked_fill(~mask.vector(), -1.0), keep))


def run(network: SpikingNetwork, dataset: Dataset, keep: int = 30, rounds: int = 4, **options: Any) -> Mask:
    """Fine-tunes from dense to `keep` of 228 synapses by size; gives the last mask."""
    narrow = options.pop("narrow", lambda mask, keep: by_size(network, mask, keep))
    options = {"seed_path": (3,), "loss": CROSS_ENTROPY, **options}
    mask = Mask.dense(prunable_weights(network))
    params = options.pop("params", PARAMS)
    return finetune_gradually(
        network, mask, keep, rounds, narrow, dataset.train, dataset.validation, params, **options
    )[1]


def test_masks_narrow_at_their_steps_and_hold(dense: Dense, dataset: Dataset) -> None:
    network, seen, left = dense(), [], []

    def narrow(mask: Mask, keep: int) -> Mask:
        assert not any(isinstance(layer, SparseLinear) for layer in network.layers)
        assert sum(int(w.count_nonzero()) for w in prunable_weights(network).values()) == mask.nnz
        seen.append(by_size(network, mask, keep))
        return seen[-1]

    mask = run(network, dataset, narrow=narrow, on_epoch=lambda epoch: left.append((epoch.epoch, len(seen))))
    # 60 samples are 3 steps an epoch, 12 in all: rounds before the steps 0, 1, 3 and 4.
    assert left == [(1, 2), (2, 4), (3, 4), (4, 4)]
    assert [step.nnz for step in seen] == keep_counts(228, 30, 4)
    assert all(later.inside(earlier) for earlier, later in pairwise(seen))
    assert torch.equal(mask.vector(), seen[-1].vector())
    after = copy_parameters(network)
    assert sum(int(after[name].count_nonzero()) for name in mask) == 30
    assert not any(after[name][~layer].any() for name, layer in mask.items())
    assert list(after) == list(copy_parameters(dense()))


@pytest.mark.parametrize("epochs", [1, 2])
def test_few_steps_still_end_with_all_pruned(dense: Dense, dataset: Dataset, epochs: int) -> None:
    for batch_size in (60, 20):
        params = FitParams(epochs=epochs, batch_size=batch_size, lr=0.01)
        assert run(dense(), dataset, params=params).nnz == 30


@pytest.mark.parametrize("density", [0.0, 0.5, 1.1])
def test_the_form_of_a_layer_changes_no_result(
    dense: Dense, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, density: float
) -> None:
    """Layers under the guard, layers of kept values, and from one to the other: the moments go on in each."""
    found = []
    for limit in (0.0, density):
        monkeypatch.setattr(finetune, "DENSE_FROM", limit)
        network = dense()
        found.append((run(network, dataset), copy_parameters(network)))
    (guarded, plain), (mask, kept) = found
    assert torch.equal(mask.vector(), guarded.vector())
    for name, weight in kept.items():
        torch.testing.assert_close(weight, plain[name], rtol=1e-3, atol=1e-4)


def test_nothing_pruned_is_training_as_it_was(dense: Dense, dataset: Dataset) -> None:
    """Rounds that keep all synapses, whose layers are taken apart and put together four times, leave the moments."""
    network, plain = dense(), dense()
    run(network, dataset, keep=228)
    fit_module.fit(plain, make_optimizer(plain, PARAMS), dataset.train, dataset.validation, PARAMS, seed_path=(3,))
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_interrupted_it_ends_with_the_same_bits(dense: Dense, dataset: Dataset, tmp_path: Path, stop: int) -> None:
    expected = dense()
    mask = run(expected, dataset)

    def interrupt(epoch: Epoch) -> None:
        if epoch.epoch == stop:
            raise KeyboardInterrupt

    point = ResumePoint(tmp_path / "point")
    with pytest.raises(KeyboardInterrupt):
        run(dense(), dataset, resume=point, on_epoch=interrupt)
    network, rounds = dense(), []

    def narrow(mask: Mask, keep: int) -> Mask:
        rounds.append(keep)
        return by_size(network, mask, keep)

    assert torch.equal(run(network, dataset, resume=point, narrow=narrow).vector(), mask.vector())
    assert rounds == (keep_counts(228, 30, 4)[2:] if stop == 1 else [])
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), expected.parameters(), strict=True))


def levels_of(network: SpikingNetwork, dataset: Dataset, name: str, **options: Any) -> list[PrunedLevel]:
    method = load_method(name)
    given = {key: options.pop(key) for key in ("rounds",) if key in options}
    params = PruneParams(
        levels=LEVELS,
        criticality=CriticalityParams(batches=2, batch_size=20),
        finetune=FinetuneParams(epochs=4, batch_size=20, lr=0.01),
    )
    return prune_levels(network, dataset.train, dataset.validation, method, method.params(**given), params, **options)


def same(left: list[PrunedLevel], right: list[PrunedLevel]) -> bool:
    return all(
        torch.equal(one.mask.vector(), other.mask.vector())
        and all(torch.equal(one.parameters[name], other.parameters[name]) for name in one.parameters)
        and (one.validation_before, one.validation) == (other.validation_before, other.validation)
        for one, other in zip(left, right, strict=True)
    )


def test_one_round_is_cqp(dense: Dense, dataset: Dataset) -> None:
    assert same(levels_of(dense(), dataset, "cqp_gradual", rounds=1), levels_of(dense(), dataset, "cqp"))
    assert not same(levels_of(dense(), dataset, "cqp_gradual"), levels_of(dense(), dataset, "cqp"))


def test_importance_is_measured_anew_in_every_round(dense: Dense, dataset: Dataset) -> None:
    cqp, weights = load_method("cqp"), []

    def spy(problem: Problem, params: Block) -> Mask:
        weights.append({name: weight.clone() for name, weight in problem.weights.items()})
        return cqp.prune(problem, params)

    params = PruneParams(levels=[0.9], finetune=FinetuneParams(epochs=4, batch_size=20, lr=0.01))
    method = Method("spy", cqp.params, spy, True, lambda params: 4)
    prune_levels(dense(), dataset.train, None, method, cqp.params(), params)
    assert len(weights) == 4
    for earlier, later in pairwise(weights):
        assert any(not torch.equal(earlier[name], later[name]) for name in earlier)


@pytest.mark.parametrize("stop", [(0.8, 1), (0.8, 3), (0.95, 1)])
def test_an_interrupted_pruning_ends_the_same(
    dense: Dense, dataset: Dataset, tmp_path: Path, stop: tuple[float, int]
) -> None:
    def interrupt(level: float, epoch: Epoch) -> None:
        if (level, epoch.epoch) == stop:
            raise KeyboardInterrupt

    def point(level: float) -> ResumePoint:
        return ResumePoint(tmp_path / f"{level}.pt")

    with pytest.raises(KeyboardInterrupt):
        levels_of(dense(), dataset, "cqp_gradual", point=point, on_epoch=interrupt)
    resumed = levels_of(dense(), dataset, "cqp_gradual", point=point)
    assert same(resumed, levels_of(dense(), dataset, "cqp_gradual"))


def test_a_zombie_is_caught_after_a_round(dense: Dense, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune, "DENSE_FROM", 0.0)
    monkeypatch.setattr(gradual.MaskGuard, "before_step", lambda guard: None)
    original = gradual.MaskGuard.after_step

    def reviving(guard: gradual.MaskGuard) -> None:
        original(guard)
        weight: Tensor = next(iter(guard._weights.values()))
        weight.data.fill_(1.0)
        guard.check()

    monkeypatch.setattr(gradual.MaskGuard, "after_step", reviving)
    with pytest.raises(RuntimeError, match="pruned synapses are not zero"):
        run(dense(), dataset)
