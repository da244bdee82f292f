"""Zombies: what the dense training's own Adam state does to pruned weights, with the guards switched on one by one."""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.io.files import Row
from pipeline.studies.params import ZombiesParams
from snnprune.core.dataset import Dataset
from snnprune.core.seeds import derive_seed, seed_everything
from snnprune.pruning.guard import Guards, MaskGuard
from snnprune.pruning.iterate import make_problem
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import PruneParams
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import accuracy
from snnprune.training.fit import make_optimizer, shuffled_batches
from snnprune.training.optimizer_state import restore_optimizer
from snnprune.training.params import FitParams

ZOMBIES = 4  # tells this study's draws from those of the pruning runs (pruning/iterate.py)
# From no guard to the full one, which every pruning run uses; only the last is checked at every step.
SETTINGS = {
    "none": Guards(gradients=False, moments=False, weights=False, check=False),
    "gradients": Guards(moments=False, weights=False, check=False),
    "+ moments": Guards(weights=False, check=False),
    "+ weights": Guards(),
}


def zombie_rows(
    network: SpikingNetwork,
    state: dict[str, Tensor],
    dataset: Dataset,
    params: ZombiesParams,
    prune: PruneParams,
    train: FitParams,
    setting: str,
    seed: int,
) -> list[Row]:
    """One row per optimiser step of one guard setting (step 0: just pruned); the batches are the same for every one.

    The net is pruned by magnitude in one step; the optimiser is that of the dense training with its `state`.
    `validation_accuracy` is None between the steps at which it is taken.
    """
    mask = _magnitude_mask(network, dataset, params, prune, seed)
    optimizer = make_optimizer(network, train.model_copy(update={"lr": params.lr}))
    restore_optimizer(network, optimizer, state)
    guard = MaskGuard(network, optimizer, mask, SETTINGS[setting])
    seed_everything(seed, 0, ZOMBIES)
    batches = _endless_batches(len(dataset.train.labels), train.batch_size, params.steps, seed)
    rows = [_row(network, guard, mask, dataset, setting, 0, measured=True)]
    for step, chosen in enumerate(batches, start=1):
        network.train()
        optimizer.zero_grad()
        functional.cross_entropy(network(dataset.train.images[chosen]), dataset.train.labels[chosen]).backward()
        guard.before_step()
        optimizer.step()
        guard.after_step()
        measured = step % params.every == 0 or step == params.steps
        rows.append(_row(network, guard, mask, dataset, setting, step, measured))
    return rows


def _magnitude_mask(
    network: SpikingNetwork, dataset: Dataset, params: ZombiesParams, prune: PruneParams, seed: int
) -> Mask:
    dense = Mask.dense(prunable_weights(network))
    problem = make_problem(network, dense, params.level, dataset.train, prune, seed_path=(seed, 0))
    return problem.keep_top({name: weight.abs() for name, weight in problem.weights.items()})


def _endless_batches(samples: int, batch_size: int, steps: int, seed: int) -> list[Tensor]:
    """`steps` batches of indices, epoch after epoch."""
    batches: list[Tensor] = []
    epoch = 0
    while len(batches) < steps:
        epoch += 1
        batches += shuffled_batches(samples, batch_size, derive_seed(seed, 0, ZOMBIES, epoch))
    return batches[:steps]


@torch.no_grad()
def _row(
    network: SpikingNetwork, guard: MaskGuard, mask: Mask, dataset: Dataset, setting: str, step: int, measured: bool
) -> Row:
    zeros = sum(int(weight.eq(0).count_nonzero()) for weight in prunable_weights(network).values())
    return {
        "setting": setting,
        "step": step,
        "zombies": guard.zombies(),
        "sparsity": zeros / mask.size,
        "validation_accuracy": accuracy(network, dataset.validation) if measured else None,
    }
