"""Iterative pruning of one dense net by one method: level after level, each fine-tuned under its mask."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from torch import Tensor

from pipeline.data.store import Dataset, Split
from pipeline.methods import Method
from pipeline.params import Block
from pipeline.progress import Progress
from pipeline.pruning.guard import MaskGuard
from pipeline.pruning.mask import Mask, prunable_weights
from pipeline.pruning.params import CriticalityParams, PruneParams
from pipeline.pruning.problem import Problem
from pipeline.pruning.scores import criticality
from pipeline.pruning.select import keep_count
from pipeline.resume import Resume
from pipeline.runtime import derive_seed
from pipeline.snn.checkpoint import copy_parameters, load_parameters
from pipeline.snn.network import SpikingNetwork
from pipeline.training.evaluate import accuracy
from pipeline.training.fit import Epoch, fit, make_optimizer, shuffled_batches

# What draws at random at a level, told apart in the seed (runtime.derive_seed). The same for every method.
FINETUNE, CRITICALITY, METHOD = 1, 2, 3


class BrokenMethod(RuntimeError):
    """A method's mask is not inside the one before, or an exact method keeps another number than asked."""


@dataclass(frozen=True)
class PrunedLevel:
    """The network at one level: mask, parameters after fine-tuning, validation accuracy before and after it (0..1)."""

    level: float
    keep: int
    mask: Mask
    parameters: dict[str, Tensor]
    validation_before: float
    validation: float


def prune_levels(
    network: SpikingNetwork,
    dataset: Dataset,
    method: Method,
    method_params: Block,
    params: PruneParams,
    *,
    seed: int,
    resume: Resume,
    title: str,
    on_epoch: Callable[[float, Epoch], None],
) -> list[PrunedLevel]:
    """Prune `network` (the dense net, changed in place) to every level in turn.

    At each level: the method's mask inside the mask before, then fine-tuning with a fresh optimiser under the guard.
    After an interruption the masks are computed again (they follow from the weights) and each level's fine-tuning goes
    on after its last whole epoch. `on_epoch(level, epoch)` is called for every epoch of every level.

    Raises:
        BrokenMethod: the method broke its contract.
        InfeasibleSelection: the method's constraints cannot be met.
    """
    weights = prunable_weights(network)
    mask = Mask.dense(weights)
    levels = []
    for index, level in enumerate(params.levels):
        problem = make_problem(network, mask, level, dataset.train, params, seed_path=(seed, index))
        mask = checked(method, problem, method.prune(problem, method_params))
        optimizer = make_optimizer(network, params.finetune)
        guard = MaskGuard(network, optimizer, mask)
        before = accuracy(network, dataset.validation)
        epochs = fit(
            network,
            optimizer,
            dataset.train,
            dataset.validation,
            params.finetune,
            seed_path=(seed, index, FINETUNE),
            resume=resume.point(f"level-{level}"),
            progress=Progress(f"{title} level {level}"),
            on_epoch=lambda epoch, level=level: on_epoch(level, epoch),
            hooks=guard,
        )
        guard.check()
        after = epochs[-1].validation_accuracy
        levels.append(PrunedLevel(level, problem.keep, mask, copy_parameters(network), before, after))
        print(
            f"{title} level {level}: sparsity {mask.sparsity:.4f}, {mask.nnz} of {mask.size} synapses, "
            f"validation {before:.2%} -> {after:.2%}",
            flush=True,
        )
    return levels


def make_problem(
    network: SpikingNetwork, mask: Mask, level: float, train: Split, params: PruneParams, seed_path: tuple[int, ...]
) -> Problem:
    """The pruning problem of `network` at `level`; criticality is that of the network as it is now."""
    return Problem(
        weights={name: weight.detach().cpu() for name, weight in prunable_weights(network).items()},
        mask=mask,
        keep=keep_count(level, mask.size),
        scope=params.scope,
        seed=derive_seed(*seed_path, METHOD),
        criticality=lambda: training_criticality(
            network, train, params.criticality, derive_seed(*seed_path, CRITICALITY)
        ),
    )


def training_criticality(
    network: SpikingNetwork, train: Split, params: CriticalityParams, seed: int
) -> dict[str, Tensor]:
    """Criticality over `params.batches` seeded batches of the training split (fewer when it has fewer)."""
    chosen = shuffled_batches(len(train.labels), params.batch_size, seed)[: params.batches]
    return criticality(network, ((train.images[rows], train.labels[rows]) for rows in chosen), params.kind, seed=seed)


def one_shot_masks(
    network: SpikingNetwork, train: Split, method: Method, method_params: Block, params: PruneParams, *, seed: int
) -> list[Mask]:
    """For every level the mask straight from the dense `network`, pruned in one step and not fine-tuned.

    Raises:
        BrokenMethod, InfeasibleSelection: see `prune_levels`.
    """
    dense = Mask.dense(prunable_weights(network))
    problem = make_problem(network, dense, params.levels[0], train, params, seed_path=(seed, 0))
    problem = replace(problem, criticality=cache(problem.criticality))
    steps = [replace(problem, keep=keep_count(level, dense.size)) for level in params.levels]
    return [checked(method, step, method.prune(step, method_params)) for step in steps]


def checked(method: Method, problem: Problem, mask: Mask) -> Mask:
    """`mask`, after holding it against the method's contract.

    Raises:
        BrokenMethod: it revives a synapse, or (for an exact method) keeps another number of synapses than asked.
    """
    if not mask.inside(problem.mask):
        raise BrokenMethod(f"{method.name}: the mask revives synapses that an earlier level pruned")
    if method.exact and mask.nnz != problem.keep:
        raise BrokenMethod(f"{method.name}: the mask keeps {mask.nnz} synapses, asked were {problem.keep}")
    return mask


def accuracies_on_test(network: SpikingNetwork, levels: list[PrunedLevel], test: Split) -> list[tuple[float, float]]:
    """Test accuracy (0..1) before and after fine-tuning at every level.

    `network` is the dense net. Before fine-tuning a level's net has the weights of the level before under the new mask.
    """
    weights = prunable_weights(network)
    accuracies = []
    for level in levels:
        level.mask.apply(weights)
        before = accuracy(network, test)
        load_parameters(network, level.parameters)
        accuracies.append((before, accuracy(network, test)))
    return accuracies


def one_shot_accuracies(network: SpikingNetwork, masks: list[Mask], split: Split) -> list[float]:
    """Accuracy (0..1) of the dense `network` under each mask, without fine-tuning; the network is left as it was."""
    dense = copy_parameters(network)
    accuracies = []
    for mask in masks:
        mask.apply(prunable_weights(network))
        accuracies.append(accuracy(network, split))
        load_parameters(network, dense)
    return accuracies
