"""The zombie study: counts by another count, equal batches, the restored optimiser."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from pipeline.studies import zombies
from pipeline.studies.zombies import SETTINGS, rows_of_setting
from pipeline.study import Inputs
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.fit import SHUFFLE
from snnprune.pruning.iterate import CRITICALITY, FINETUNE, METHOD
from tests.pipeline.studies.made import SIZES, SYNAPSES, Dense

State = dict[str, torch.Tensor]
RowsOf = Callable[..., list[dict[str, Any]]]
AtRow = Callable[[Callable[[], object]], None]


def weights_of(network: SpikingNetwork) -> torch.Tensor:
    return torch.cat([network.get_parameter(name).detach().flatten() for name in SIZES])


@pytest.fixture
def state(inputs: Callable[..., Inputs]) -> State:
    """The state of the dense training's optimiser."""
    return inputs("zombies").optimizer_state(0)


@pytest.fixture
def rows_of(inputs: Callable[..., Inputs], dense: Dense, state: State) -> RowsOf:
    def call(setting: str, network: SpikingNetwork | None = None, start: State = state) -> list[dict[str, Any]]:
        study = inputs("zombies", level=0.75, steps=8, every=3, lr=0.002)
        return rows_of_setting(study, network or dense(), start, setting, 0)

    return call


@pytest.fixture
def at_each_row(monkeypatch: pytest.MonkeyPatch) -> AtRow:
    """Calls something whenever a row is made."""
    original = zombies.prunable_weights  # a row counts the weights that are zero
    return lambda watch: monkeypatch.setattr(zombies, "prunable_weights", lambda net: watch() or original(net))


@pytest.mark.parametrize("setting", SETTINGS)
def test_counts_are_those_of_the_weights(rows_of: RowsOf, dense: Dense, at_each_row: AtRow, setting: str) -> None:
    order = weights_of(dense()).abs().argsort(descending=True, stable=True)
    pruned = torch.ones(SYNAPSES, dtype=torch.bool)
    pruned[order[: SYNAPSES // 4]] = False
    network = dense()
    counted = []

    def count() -> None:
        weights = weights_of(network)
        counted.append((int((weights[pruned] != 0).sum()), float((weights == 0).double().mean())))

    at_each_row(count)
    rows = rows_of(setting, network)
    assert [(row["zombies"], row["sparsity"]) for row in rows] == counted
    assert [row["step"] for row in rows] == list(range(9))
    assert [row["step"] for row in rows if row["validation_accuracy"] is not None] == [0, 3, 6, 8]
    assert counted[0] == (0, 0.75)
    after = [count for count, _ in counted[1:]]
    if setting in ("none", "gradients"):
        assert min(after) > 0
        assert counted[-1][1] < 0.75
    else:
        assert max(after) == 0


def test_every_setting_sees_the_same_batches_and_draws(rows_of: RowsOf, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = SpikingNetwork.forward
    seen: dict[str, list[torch.Tensor]] = {}
    draws: dict[str, list[torch.Tensor]] = {}

    def watched(self: SpikingNetwork, images: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        if self.training:
            seen[setting].append(images.clone())
            draws[setting].append(torch.get_rng_state())
        return forward(self, images, **kwargs)

    monkeypatch.setattr(SpikingNetwork, "forward", watched)
    for setting in SETTINGS:
        seen[setting], draws[setting] = [], []
        rows_of(setting)
        assert len(seen[setting]) == 8
    for setting in SETTINGS:
        assert all(torch.equal(a, b) for a, b in zip(seen[setting], seen["none"], strict=True))
        assert all(torch.equal(a, b) for a, b in zip(draws[setting], draws["none"], strict=True))
    # 60 samples in batches of 10: six batches are an epoch, each sample once; the next epoch has another order.
    first, second = torch.cat(seen["none"][:6]), torch.cat(seen["none"][6:])
    assert len(first) == 60
    assert not torch.equal(first[:20], second)


def test_the_draws_are_the_studys_own(rows_of: RowsOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """No place of a training or a pruning run has the same seed: not its batches, not its dropout."""
    paths: list[tuple[int, ...]] = []
    for name in ("derive_seed", "seed_everything"):
        original = getattr(zombies, name)
        monkeypatch.setattr(zombies, name, lambda *path, original=original: paths.append(path) or original(*path))
    rows_of("none")
    # Eight batches of six an epoch: two epochs.
    assert paths == [(0, 0, zombies.ZOMBIES), (0, 0, zombies.ZOMBIES, 1), (0, 0, zombies.ZOMBIES, 2)]
    # The others' are (seed, epoch), (seed, epoch, what draws) and (seed, level, what draws, ...).
    assert zombies.ZOMBIES not in (SHUFFLE, FINETUNE, CRITICALITY, METHOD)


def test_the_first_step_is_adams_with_the_state_of_the_dense_training(
    rows_of: RowsOf, dense: Dense, state: State, at_each_row: AtRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adam by hand, m and v from the file; without a guard a pruned weight moves by them at once."""
    network = dense()
    before: dict[str, torch.Tensor] = {}
    gradients: dict[str, torch.Tensor] = {}
    original = functional.cross_entropy

    def loss(counts: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if not before:
            before.update({name: p.detach().clone() for name, p in network.named_parameters()})
            found = torch.autograd.grad(original(counts, labels), list(network.parameters()), retain_graph=True)
            gradients.update(zip(before, found, strict=True))
        return original(counts, labels)

    monkeypatch.setattr(zombies.functional, "cross_entropy", loss)
    after: list[dict[str, torch.Tensor]] = []
    at_each_row(lambda: after.append({name: p.detach().clone() for name, p in network.named_parameters()}))
    rows_of("none", network)
    for name, start in before.items():
        step = state[f"{name}.step"].item() + 1
        assert step == 61  # ten epochs of six batches
        mean = 0.9 * state[f"{name}.exp_avg"] + 0.1 * gradients[name]
        square = 0.999 * state[f"{name}.exp_avg_sq"] + 0.001 * gradients[name] ** 2
        change = 0.002 * (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
        assert torch.allclose(after[1][name], start - change, atol=1e-6), name


def test_the_state_given_is_not_changed(rows_of: RowsOf, state: State) -> None:
    before = {name: tensor.clone() for name, tensor in state.items()}
    rows_of("+ weights")
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.items())


def test_a_fresh_adam_with_masked_gradients_has_no_zombies(rows_of: RowsOf, state: State) -> None:
    fresh = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    assert {row["zombies"] for row in rows_of("gradients", start=fresh)} == {0}
