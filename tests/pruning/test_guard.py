"""The guard: what momentum revives without it, stays zero with it, and nothing else changes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from pipeline.data.store import Dataset, Split
from pipeline.progress import Progress
from pipeline.pruning.guard import MaskGuard, ZombieError
from pipeline.pruning.mask import Mask, prunable_weights
from pipeline.resume import ResumePoint
from pipeline.snn.network import SpikingNetwork
from pipeline.training.fit import Epoch, StepHooks, fit, make_optimizer
from pipeline.training.params import FitParams

PARAMS = FitParams(epochs=2, batch_size=16, lr=0.01, weight_decay=1e-4)


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


@pytest.mark.parametrize("mask_gradients", [False, True])
def test_momentum_revives_pruned_weights_without_the_whole_guard(
    dense: Callable[[], SpikingNetwork], dataset: Dataset, mask_gradients: bool
) -> None:
    network = dense()
    optimizer = momentous(network, dataset.train)
    guard = MaskGuard(network, optimizer, half_mask(network))
    assert guard.zombies() == 0
    gradients(network, optimizer, dataset.train)
    if mask_gradients:
        guard.before_step()
    optimizer.step()
    assert guard.zombies() > 20
    with pytest.raises(ZombieError, match=f"{guard.zombies()} pruned synapses are not zero"):
        guard.check()


def test_guarded_steps_leave_no_zombie_and_masked_moments(
    dense: Callable[[], SpikingNetwork], dataset: Dataset
) -> None:
    network = dense()
    optimizer = momentous(network, dataset.train)
    mask = half_mask(network)
    guard = MaskGuard(network, optimizer, mask)
    start = {name: weight.detach().clone() for name, weight in prunable_weights(network).items()}
    for _ in range(30):
        gradients(network, optimizer, dataset.train)
        guard.before_step()
        optimizer.step()
        guard.after_step()
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


def test_gradients_of_pruned_weights_are_masked_those_of_others_kept(
    dense: Callable[[], SpikingNetwork], dataset: Dataset
) -> None:
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
def test_a_pruned_weight_that_is_not_zero_is_caught(dense: Callable[[], SpikingNetwork], value: float) -> None:
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


def test_nan_in_a_pruned_weight_survives_masking_and_is_caught(dense: Callable[[], SpikingNetwork]) -> None:
    network = dense()
    mask = half_mask(network)
    guard = MaskGuard(network, make_optimizer(network, PARAMS), mask)
    row, column = (~mask["layers.3.weight"]).nonzero()[0].tolist()
    with torch.no_grad():
        network.layers[3].weight[row, column] = float("nan")
    with pytest.raises(ZombieError, match="1 pruned synapses are not zero"):
        guard.after_step()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_kept_weight_that_diverged_is_no_zombie(dense: Callable[[], SpikingNetwork], value: float) -> None:
    network = dense()
    mask = half_mask(network)
    guard = MaskGuard(network, make_optimizer(network, PARAMS), mask)
    row, column = mask["layers.3.weight"].nonzero()[0].tolist()
    with torch.no_grad():
        network.layers[3].weight[row, column] = value
    assert guard.zombies() == 0


def test_pruned_weights_are_zero_from_the_start_and_biases_untouched(dense: Callable[[], SpikingNetwork]) -> None:
    network, untouched = dense(), dense()
    mask = half_mask(network)
    MaskGuard(network, make_optimizer(network, PARAMS), mask)
    for (name, parameter), before in zip(network.named_parameters(), untouched.parameters(), strict=True):
        assert torch.equal(parameter, before * mask[name] if name in mask else before)


def test_a_mask_of_another_network_is_refused(dense: Callable[[], SpikingNetwork]) -> None:
    network = dense()
    optimizer = make_optimizer(network, PARAMS)
    mask = half_mask(network)
    turned = Mask({name: layer.T for name, layer in mask.items()})
    one_layer = Mask({"layers.1.weight": mask["layers.1.weight"]})
    for other in (turned, one_layer):
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
        progress=Progress("test"),
        on_epoch=lambda epoch: None,
        hooks=hooks,
    )


def test_a_mask_of_ones_changes_nothing(dense: Callable[[], SpikingNetwork], dataset: Dataset, work: Path) -> None:
    guarded, plain = dense(), dense()
    assert run_fit(guarded, dataset, work / "a.pt", True) == run_fit(plain, dataset, work / "b.pt", False)
    assert all(torch.equal(left, right) for left, right in zip(guarded.parameters(), plain.parameters(), strict=True))
    assert not all(
        torch.equal(left, right) for left, right in zip(plain.parameters(), dense().parameters(), strict=True)
    )
