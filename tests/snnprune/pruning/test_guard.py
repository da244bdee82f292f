"""The guard: what momentum revives without it, stays zero with it, and nothing else changes."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from snnprune.core.dataset import Dataset, Split
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.fit import Epoch, ResumePoint, StepHooks, fit, make_optimizer
from snnprune.core.training.optimizer_state import optimizer_tensors, restore_optimizer
from snnprune.core.training.params import FitParams
from snnprune.pruning.guard import Guards, MaskGuard, ZombieError
from snnprune.pruning.mask import Mask, prunable_weights

PARAMS = FitParams(epochs=2, batch_size=16, lr=0.01, weight_decay=1e-4)
NO_DECAY = FitParams(epochs=2, batch_size=16, lr=0.01)
Dense = Callable[[], SpikingNetwork]


def gradients(network: SpikingNetwork, optimizer: torch.optim.Adam, split: Split) -> None:
    optimizer.zero_grad()
    functional.cross_entropy(network(split.images), split.labels).backward()


def momentous(network: SpikingNetwork, split: Split) -> torch.optim.Adam:
    """An optimiser of `network` whose moments are not zero: it has done three steps."""
    optimizer = make_optimizer(network, PARAMS)
    for _ in range(3):
        gradients(network, optimizer, split)
        optimizer.step()
    return optimizer


def half_mask(network: SpikingNetwork) -> Mask:
    generator = torch.Generator().manual_seed(1)
    weights = prunable_weights(network)
    return Mask({name: torch.rand(weight.shape, generator=generator) < 0.5 for name, weight in weights.items()})


def step(network: SpikingNetwork, optimizer: torch.optim.Adam, guard: MaskGuard, split: Split) -> None:
    gradients(network, optimizer, split)
    guard.before_step()
    optimizer.step()
    guard.after_step()


def pruned_entries(mask: Mask, tensors: dict[str, Tensor]) -> bool:
    """Whether any pruned entry of `tensors` is not zero."""
    return any(bool(tensors[name][~layer].any()) for name, layer in mask.items())


SETTINGS = [Guards(*setting, check=False) for setting in itertools.product([False, True], repeat=3)]


@pytest.mark.parametrize("guards", SETTINGS, ids=lambda guards: f"{guards.gradients, guards.moments, guards.weights}")
@pytest.mark.parametrize("alive", [True, False])
def test_each_guard_masks_its_own(dense: Dense, dataset: Dataset, guards: Guards, alive: bool) -> None:
    network = dense()
    optimizer = momentous(network, dataset.train) if alive else make_optimizer(network, NO_DECAY)
    mask, weights = half_mask(network), prunable_weights(network)

    def moments() -> dict[str, Tensor]:
        return {name: optimizer.state[weight]["exp_avg"] for name, weight in weights.items()}

    guard = MaskGuard(network, optimizer, mask, guards)
    assert guard.zombies() == 0  # the weights are pruned at the start in every setting
    if alive:
        assert pruned_entries(mask, moments()) == (not guards.moments)
    gradients(network, optimizer, dataset.train)
    guard.before_step()
    assert pruned_entries(mask, {name: weight.grad for name, weight in weights.items()}) == (not guards.gradients)
    optimizer.step()
    # With masked gradients nothing moves that has no moment: none with fresh moments, none with masked ones.
    revived = not guards.gradients or (alive and not guards.moments)
    assert (guard.zombies() > 20) == revived
    assert revived or guard.zombies() == 0
    guard.after_step()
    assert (guard.zombies() > 20) == (revived and not guards.weights)
    assert pruned_entries(mask, weights) == (revived and not guards.weights)
    assert pruned_entries(mask, moments()) == (revived and not guards.moments)
    assert all(bool(moment[mask[name]].any()) for name, moment in moments().items())


@pytest.mark.parametrize("gradients_too", [False, True])
def test_the_check_raises_when_moments_meet_unguarded_weights(
    dense: Dense, dataset: Dataset, gradients_too: bool
) -> None:
    network = dense()
    optimizer = momentous(network, dataset.train)
    guard = MaskGuard(network, optimizer, half_mask(network), Guards(gradients_too, moments=False, weights=False))
    with pytest.raises(ZombieError) as caught:
        step(network, optimizer, guard, dataset.train)
    assert str(caught.value) == f"{guard.zombies()} pruned synapses are not zero after an optimiser step"
    assert guard.zombies() > 20


def test_momentum_alone_revives_and_never_with_fresh_adam(dense: Dense, dataset: Dataset) -> None:
    trained = dense()
    state = optimizer_tensors(trained, momentous(trained, dataset.train))
    only_gradients = Guards(moments=False, weights=False, check=False)
    counts = {}
    for kind in ("restored", "fresh"):
        network = dense()
        optimizer = make_optimizer(network, NO_DECAY)
        if kind == "restored":
            restore_optimizer(network, optimizer, state)
        guard = MaskGuard(network, optimizer, half_mask(network), only_gradients)
        counts[kind] = []
        for _ in range(20):
            step(network, optimizer, guard, dataset.train)
            counts[kind].append(guard.zombies())
    assert min(counts["restored"]) > 20
    assert counts["fresh"] == [0] * 20


def test_by_default_everything_is_guarded_and_checked() -> None:
    assert Guards() == Guards(gradients=True, moments=True, weights=True, check=True)


def test_a_mask_of_some_layers_leaves_the_others_alone(dense: Dense, dataset: Dataset) -> None:
    network, untouched = dense(), dense()
    optimizer = momentous(network, dataset.train)
    untouched.load_state_dict(network.state_dict())
    before = optimizer_tensors(network, optimizer)
    whole = half_mask(network)
    mask = Mask({"layers.1.weight": whole["layers.1.weight"]})
    guard = MaskGuard(network, optimizer, mask)
    for (name, parameter), old in zip(network.named_parameters(), untouched.parameters(), strict=True):
        assert torch.equal(parameter, old * mask[name] if name in mask else old)
    for name, tensor in optimizer_tensors(network, optimizer).items():
        layer, key = name.rsplit(".", 1)
        assert torch.equal(tensor, before[name] * mask[layer] if layer in mask and key != "step" else before[name])
    gradients(network, optimizer, dataset.train)
    old = network.layers[3].weight.grad.clone()
    guard.before_step()
    assert torch.equal(network.layers[3].weight.grad, old)
    optimizer.step()
    guard.after_step()
    assert not network.layers[1].weight[~mask["layers.1.weight"]].any()
    assert network.layers[3].weight.all()


def test_guarded_steps_leave_no_zombie_and_masked_moments(dense: Dense, dataset: Dataset) -> None:
    network = dense()
    optimizer = momentous(network, dataset.train)
    mask = half_mask(network)
    guard = MaskGuard(network, optimizer, mask)
    start = {name: weight.detach().clone() for name, weight in prunable_weights(network).items()}
    for _ in range(30):
        step(network, optimizer, guard, dataset.train)
        assert guard.zombies() == 0
        for name, weight in prunable_weights(network).items():
            state = optimizer.state[weight]
            for moment in (state["exp_avg"], state["exp_avg_sq"]):
                assert not moment[~mask[name]].any()
                assert moment[mask[name]].any()
            assert not weight[~mask[name]].any()
    assert all(not torch.equal(weight, start[name]) for name, weight in prunable_weights(network).items())
    assert int(optimizer.state[network.layers[1].weight]["step"]) == 33
    assert optimizer.state[network.layers[1].bias]["exp_avg"].any()


def test_gradients_of_pruned_weights_alone_are_masked(dense: Dense, dataset: Dataset) -> None:
    network = dense()
    optimizer = make_optimizer(network, PARAMS)
    mask = half_mask(network)
    guard = MaskGuard(network, optimizer, mask)
    gradients(network, optimizer, dataset.train)
    before = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}
    guard.before_step()
    for name, parameter in network.named_parameters():
        expected = before[name] * mask[name] if name in mask else before[name]
        assert torch.equal(parameter.grad, expected)


@pytest.mark.parametrize("value", [1e-30, -1.0, float("nan"), float("inf")])
def test_a_pruned_weight_that_is_not_zero_is_caught(dense: Dense, value: float) -> None:
    network = dense()
    mask = Mask(
        {name: torch.zeros(weight.shape, dtype=torch.bool) for name, weight in prunable_weights(network).items()}
    )
    guard = MaskGuard(network, make_optimizer(network, PARAMS), mask)
    guard.check()
    with torch.no_grad():
        network.layers[3].weight[2, 5] = value
    assert guard.zombies() == 1
    with pytest.raises(ZombieError, match="1 pruned synapses are not zero"):
        guard.check()


@pytest.mark.parametrize(("kept", "value"), [(False, "nan"), (True, "nan"), (True, "inf")])
def test_nan_survives_masking_and_is_a_zombie_only_where_pruned(dense: Dense, kept: bool, value: str) -> None:
    network = dense()
    mask = half_mask(network)
    guard = MaskGuard(network, make_optimizer(network, PARAMS), mask)
    row, column = (mask["layers.3.weight"] == kept).nonzero()[0].tolist()
    with torch.no_grad():
        network.layers[3].weight[row, column] = float(value)
    assert guard.zombies() == (0 if kept else 1)
    if not kept:
        with pytest.raises(ZombieError, match="1 pruned synapses are not zero"):
            guard.after_step()


def test_a_mask_of_another_network_is_refused(dense: Dense) -> None:
    network = dense()
    optimizer = make_optimizer(network, PARAMS)
    mask = half_mask(network)
    turned = Mask({name: layer.T for name, layer in mask.items()})
    unknown = Mask({**mask, "layers.5.weight": mask["layers.1.weight"]})
    for other in (turned, unknown, Mask({}), Mask({"layers.1.bias": torch.ones(12, dtype=torch.bool)})):
        with pytest.raises(ValueError, match="does not fit"):
            MaskGuard(network, optimizer, other)


def run_fit(network: SpikingNetwork, dataset: Dataset, path: Path, guarded: bool) -> list[Epoch]:
    optimizer = make_optimizer(network, PARAMS)
    hooks = MaskGuard(network, optimizer, Mask.dense(prunable_weights(network))) if guarded else StepHooks()
    return fit(
        network,
        optimizer,
        dataset.train,
        dataset.validation,
        PARAMS,
        seed_path=(3,),
        resume=ResumePoint(path),
        on_epoch=lambda epoch: None,
        hooks=hooks,
    )


def test_a_mask_of_ones_changes_nothing(dense: Dense, dataset: Dataset, work: Path) -> None:
    guarded, plain = dense(), dense()
    assert run_fit(guarded, dataset, work / "a.pt", True) == run_fit(plain, dataset, work / "b.pt", False)
    assert all(torch.equal(left, right) for left, right in zip(guarded.parameters(), plain.parameters(), strict=True))
    assert not all(
        torch.equal(left, right) for left, right in zip(plain.parameters(), dense().parameters(), strict=True)
    )
