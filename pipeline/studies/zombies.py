"""Zombies: what the dense training's own Adam state does to pruned weights, with the guards switched on one by one."""

from itertools import chain, count, islice
from typing import Annotated

import pydantic
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.io.files import Row
from pipeline.study import DENSE, TRAINED, Inputs, StudyParams
from snnprune.core.finite import FiniteSteps
from snnprune.core.network import SpikingNetwork
from snnprune.core.schema import Count
from snnprune.core.seeds import derive_seed, seed_everything
from snnprune.core.training.evaluate import accuracy
from snnprune.core.training.fit import make_optimizer, shuffled_batches
from snnprune.core.training.optimizer_state import restore_optimizer
from snnprune.core.training.params import FitParams
from snnprune.pruning.guard import Guards, MaskGuard
from snnprune.pruning.mask import prunable_weights
from snnprune.pruning.params import Level

ZOMBIES = 4  # tells this study's draws from those of the pruning runs (pruning/iterate.py)
# From no guard to the full one, which every pruning run uses; only the last is checked at every step.
SETTINGS = {
    "none": Guards(gradients=False, moments=False, weights=False, check=False),
    "gradients": Guards(moments=False, weights=False, check=False),
    "+ moments": Guards(weights=False, check=False),
    "+ weights": Guards(),
}
NEEDS = DENSE
ASKS = (TRAINED,)
READS = {"train": FitParams}


class Params(StudyParams):
    """Fine-tuning with the dense training's own Adam state, the guards switched on one after the other. level: sparsity
    (magnitude, one step). steps: optimiser steps. lr: learning rate, constant. every: steps between two accuracies."""

    level: Level = 0.9
    steps: Count = 200
    every: Count = 20
    lr: Annotated[float, pydantic.Field(gt=0, le=1)] = 1e-3


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """One row per guard setting and optimiser step; raises ZombieError if the full guard lets one pass."""
    state = inputs.optimizer_state(seed)
    found: list[Row] = []
    for setting in SETTINGS:
        found += rows_of_setting(inputs, inputs.dense(seed), state, setting, seed)
        last = found[-1]
        print(f"  seed {seed}, guards {setting}: {last['zombies']:,} zombies after {last['step']} steps", flush=True)
    return found


def rows_of_setting(
    inputs: Inputs[Params], network: SpikingNetwork, state: dict[str, Tensor], setting: str, seed: int
) -> list[Row]:
    """One row per optimiser step of one guard setting (step 0: just pruned); the batches are the same for every one.
    The dense `network` is pruned by magnitude in one step and trained on; the optimiser is that of the dense training
    with its `state`. `validation_accuracy` is None between the steps at which it is taken."""
    params, dataset = inputs.params, inputs.dataset
    fit: FitParams = inputs.blocks["train"]
    problem = inputs.problem(network, seed, params.level)
    mask = problem.keep_top({name: weight.abs() for name, weight in problem.weights.items()})
    optimizer = make_optimizer(network, fit.model_copy(update={"lr": params.lr}))
    restore_optimizer(network, optimizer, state)
    guard = MaskGuard(network, optimizer, mask, SETTINGS[setting])
    seed_everything(seed, 0, ZOMBIES)
    batches = _endless_batches(len(dataset.train.labels), fit.batch_size, params.steps, seed)

    @torch.no_grad()
    def row(step: int) -> Row:
        measured = step % params.every == 0 or step == params.steps
        zeros = sum(int(weight.eq(0).count_nonzero()) for weight in prunable_weights(network).values())
        return {
            "setting": setting,
            "step": step,
            "zombies": guard.zombies(),
            "sparsity": zeros / mask.size,
            "validation_accuracy": accuracy(network, dataset.validation) if measured else None,
        }

    finite = FiniteSteps(network, f"guards {setting}, step {{}}", params.lr)
    found = [row(0)]
    for step, chosen in enumerate(batches, start=1):
        network.train()
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(dataset.train.images[chosen]), dataset.train.labels[chosen])
        loss.backward()
        finite.note(loss)
        finite.look()
        guard.before_step()
        optimizer.step()
        guard.after_step()
        found.append(row(step))
    return found


def _endless_batches(samples: int, batch_size: int, steps: int, seed: int) -> list[Tensor]:
    """`steps` batches of indices, epoch after epoch."""
    seeds = (derive_seed(seed, 0, ZOMBIES, epoch) for epoch in count(1))
    batches = chain.from_iterable(shuffled_batches(samples, batch_size, of_epoch) for of_epoch in seeds)
    return list(islice(batches, steps))
