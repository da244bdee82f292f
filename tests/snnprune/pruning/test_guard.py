"""The guard: what momentum revives without it, stays zero with it, and nothing else changes."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from snnprune.core.checkpoint import copy_parameters, load_parameters
from snnprune.core.dataset import Dataset, Split
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.fit import make_optimizer
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


def test_by_default_everything_is_guarded_and_checked() -> None:
    assert Guards() == Guards(gradients=True, moments=True, weights=True, check=True)


@pytest.mark.parametrize("masked", [["layers.1.weight"], ["layers.1.weight", "layers.3.weight"]])
@pytest.mark.parametrize("ones", [False, True])
def test_a_guarded_step_is_a_step_of_adam_times_the_mask(
    dense: Dense, dataset: Dataset, masked: list[str], ones: bool
) -> None:
    network, free = dense(), dense()
    optimizer = momentous(network, dataset.train)
    start = {**copy_parameters(network), **optimizer_tensors(network, optimizer)}
    whole = Mask.dense(prunable_weights(network)) if ones else half_mask(network)
    guard = MaskGuard(network, optimizer, Mask({name: whole[name] for name in masked}))

    def times_mask(name: str, tensor: Tensor) -> Tensor:
        weight = name if name in masked else name.rpartition(".")[0]
        return tensor * whole[weight] if weight in masked and tensor.dim() else tensor

    def require_masked(free: dict[str, Tensor]) -> None:
        found = {**copy_parameters(network), **optimizer_tensors(network, optimizer)}
        assert found.keys() == free.keys()
        assert all(torch.equal(found[name], times_mask(name, tensor)) for name, tensor in free.items())

    require_masked(start)
    load_parameters(free, copy_parameters(network))
    twin = make_optimizer(free, PARAMS)
    restore_optimizer(free, twin, optimizer_tensors(network, optimizer))
    gradients(network, optimizer, dataset.train)
    gradients(free, twin, dataset.train)
    guard.before_step()
    for (name, parameter), other in zip(network.named_parameters(), free.parameters(), strict=True):
        assert torch.equal(parameter.grad, times_mask(name, other.grad))
    optimizer.step()
    twin.step()
    guard.after_step()
    require_masked({**copy_parameters(free), **optimizer_tensors(free, twin)})


def test_guarded_steps_leave_no_zombie_and_masked_moments(dense: Dense, dataset: Dataset) -> None:
    network = dense()
    optimizer = momentous(network, dataset.train)
    mask = half_mask(network)
    guard = MaskGuard(network, optimizer, mask)
    for _ in range(30):
        step(network, optimizer, guard, dataset.train)
        assert guard.zombies() == 0
        for name, weight in prunable_weights(network).items():
            state = optimizer.state[weight]
            for tensor in (weight, state["exp_avg"], state["exp_avg_sq"]):
                assert not tensor[~mask[name]].any()
                assert tensor[mask[name]].any()


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("value", [1e-30, -1.0, float("nan"), float("inf")])
def test_a_pruned_weight_that_is_not_zero_is_caught(dense: Dense, value: float, kept: bool) -> None:
    network = dense()
    mask = half_mask(network)
    guard = MaskGuard(network, make_optimizer(network, PARAMS), mask)
    guard.check()
    row, column = (mask["layers.3.weight"] == kept).nonzero()[0].tolist()
    with torch.no_grad():
        network.layers[3].weight[row, column] = value
    assert guard.zombies() == (0 if kept else 1)
    if kept:
        guard.check()
    else:
        with pytest.raises(ZombieError, match="1 pruned synapses are not zero"):
            guard.check()


def test_nan_survives_masking_and_is_caught(dense: Dense) -> None:
    network = dense()
    guard = MaskGuard(network, make_optimizer(network, PARAMS), half_mask(network))
    network.layers[3].weight.data.fill_(float("nan"))
    with pytest.raises(ZombieError):
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
