"""Iterative pruning of one dense net by one method: level after level, each fine-tuned under its mask."""

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache, partial

from torch import Tensor

from snnprune.core.checkpoint import copy_parameters, load_parameters
from snnprune.core.dataset import Split
from snnprune.core.digest import digest_of
from snnprune.core.errors import NotFiniteError, UserError
from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.core.schema import Block
from snnprune.core.seeds import derive_seed
from snnprune.core.training.evaluate import accuracy
from snnprune.core.training.fit import Epoch, Progress, ResumePoint, shuffled_batches
from snnprune.core.training.loss import (
    Loss,
    Targets,
    can_be_tabled,
    cross_entropy,
    distilled,
    looked_up,
    of_batch,
    table_of,
    taught_by,
)
from snnprune.pruning.compensate import Compensation
from snnprune.pruning.finetune import finetune
from snnprune.pruning.gradual import finetune_gradually
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import CriticalityKind, CriticalityParams, Pruning
from snnprune.pruning.problem import BrokenMethod, Layers, Measure, Method, Problem
from snnprune.pruning.scores import criticality
from snnprune.pruning.select import keep_count

# What draws at random at a level; each has a seed of its own (`derive_seed`), the same for every method.
FINETUNE, CRITICALITY, METHOD, COMPENSATION = 1, 2, 3, 4

Remember = Callable[[Callable[[], Tensor]], Tensor]


@dataclass(frozen=True)
class PrunedLevel:
    """The network at one level: mask, parameters after fine-tuning, validation accuracy of the level before under this
    mask, and after fine-tuning (0..1; None without validation data)."""

    level: float
    keep: int
    mask: Mask
    parameters: dict[str, Tensor]
    validation_before: float | None
    validation: float | None


def prune_levels(
    network: SpikingNetwork,
    train: Split,
    validation: Split | None,
    method: Method,
    method_params: Block,
    params: Pruning,
    *,
    seed: int = 0,
    loss: Loss = cross_entropy,
    on_epoch: Callable[[float, Epoch], object] | None = None,
    progress: Progress | None = None,
    point: Callable[[float], ResumePoint] | None = None,
    remember: Remember = lambda make: make(),
) -> list[PrunedLevel]:
    """Prune `network` (the dense net, changed in place) to every level in turn.

    Criticality is measured anew at every level, or once at the dense net (`params.criticality.frozen`). At each level:
    the method's mask inside the mask before, then, with `params.compensate`, the kept weights solved for the currents
    of the net before this level (of the dense net, where nothing is fine-tuned), then fine-tuning under the mask
    (unless `params.finetune` is None); a method of several rounds prunes while it is fine-tuned
    (`snnprune.pruning.gradual`). After an interruption the masks are computed again (they follow from the weights) and
    each level's fine-tuning goes on after its last whole epoch, saved at `point(level)`. `on_epoch(level, epoch)` is
    called for every epoch of every level. `remember(make)` gives what `make()` returned, now or earlier: the dense
    net's spike counts, which are the same for all methods. Without `validation` no accuracy is measured.
    Raises BrokenMethod: the method broke its contract. Raises InfeasibleSelection: the method's constraints cannot be
    met. Raises UserError: `params.compensate` for a network that runs its own forward, or for a method of several
    rounds with fine-tuning; `point(level)` holds the state of another run (`fit`).
    """
    rounds = 1 if params.finetune is None else method.rounds(method_params)
    if params.compensate and rounds > 1:
        raise UserError(
            f"compensate: {method.name} prunes while it is fine-tuned, so that no mask is there before; leave out "
            "compensate, or fine-tuning, or choose a method that prunes at once"
        )
    progress = progress or Progress()
    batch_loss = of_batch(loss)
    if params.finetune is not None and params.finetune.distillation is not None:
        targets = _targets(copy.deepcopy(network), train, params, remember)
        batch_loss = distilled(targets, params.finetune.distillation, loss)
    mask = Mask.dense(prunable_weights(network))
    if keep_count(params.targets[-1], mask.size) == 0:
        found = f"found {params.targets[-1]}, which keeps none of {mask.size:,} synapses"
        raise UserError(f"level: {found}; at least one must be left")
    frozen = None
    if params.criticality.frozen:  # of the network as it is now, whenever it is asked for; drawn as at the first level
        first = derive_seed(seed, 0, CRITICALITY)
        frozen = cache(measure(copy.deepcopy(network), list(mask), train, params.criticality, first))
    levels = []
    for index, level in enumerate(params.targets):
        keep = keep_count(level, mask.size)

        def narrow(mask: Mask, keep: int, index: int = index, level: float = level) -> Mask:
            problem = make_problem(network, mask, level, train, params, seed_path=(seed, index))
            problem = replace(problem, keep=keep, criticality=frozen or problem.criticality)
            return chosen_by(method, problem, method_params)

        options = {
            "seed_path": (seed, index, FINETUNE),
            "loss": batch_loss,
            "on_epoch": None if on_epoch is None else partial(on_epoch, level),
            "progress": progress.at_level(level),
        }
        held = None if point is None else point(level)
        if rounds > 1:
            options["resume"] = _under(held, keep, mask)
            previous = copy.deepcopy(network)
            given = (train, validation, params.finetune)
            epochs, mask = finetune_gradually(network, mask, keep, rounds, narrow, *given, **options)
            mask.apply(prunable_weights(previous))
            before = None if validation is None else accuracy(previous, validation)
            after = epochs[-1].validation_accuracy
        else:
            mask = narrow(mask, keep)
            if params.compensate and (params.finetune is not None or not levels):
                drawn = derive_seed(seed, index, COMPENSATION)
                compensation = Compensation.on(copy.deepcopy(network), train, seed=drawn)
            mask.apply(prunable_weights(network))
            if params.compensate:
                load_parameters(network, copy_parameters(compensation.network(mask)))
            before = after = None if validation is None else accuracy(network, validation)
            if params.finetune is not None:
                options["resume"] = _under(held, keep, mask)
                epochs = finetune(network, mask, train, validation, params.finetune, **options)
                after = epochs[-1].validation_accuracy
        levels.append(PrunedLevel(level, keep, mask, copy_parameters(network), before, after))
        progress.level_done(levels[-1])
    return levels


def _under(point: ResumePoint | None, keep: int, mask: Mask) -> ResumePoint | None:
    """The point of a fine-tuning that starts under `mask` and ends with `keep` synapses."""
    return None if point is None else replace(point, run=digest_of((point.run, keep), mask))


def _targets(teacher: SpikingNetwork, train: Split, params: Pruning, remember: Remember) -> Targets:
    epochs = params.finetune.epochs * len(params.targets)
    if not isinstance(teacher, SpikingNetwork) or not can_be_tabled(teacher, params.finetune, epochs):
        return taught_by(teacher)
    table = remember(lambda: table_of(teacher, train, params.finetune))
    return looked_up(table, params.finetune)


def make_problem(
    network: SpikingNetwork, mask: Mask, level: float, train: Split, params: Pruning, seed_path: tuple[int, ...]
) -> Problem:
    """The pruning problem of `network` at `level`; criticality is that of the network as it is now. It is about the
    layers that `mask` names, all or some of them; `level` is their sparsity."""
    weights = prunable_weights(network)
    drawn = derive_seed(*seed_path, CRITICALITY)
    return Problem(
        weights={name: weights[name].detach().cpu().clone() for name in mask},
        mask=mask,
        keep=keep_count(level, mask.size),
        scope=params.scope,
        seed=derive_seed(*seed_path, METHOD),
        criticality=measure(network, list(mask), train, params.criticality, drawn),
        network=network,
        samples=partial(seeded_batches, train, params.criticality, drawn),
    )


def measure(network: SpikingNetwork, names: list[str], train: Split, params: CriticalityParams, seed: int) -> Measure:
    """What computes the criticality of the weights `names` of `network`, as it is when called. It is taken over
    `params.batches` seeded batches of the training split (fewer when it has fewer)."""

    def criticality_of(kind: CriticalityKind | None = None) -> Layers:
        found = criticality(network, seeded_batches(train, params, seed), kind or params.kind, seed=seed)
        return {name: found[name] for name in names}

    return criticality_of


def seeded_batches(train: Split, params: CriticalityParams, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The first `params.batches` batches of the training split, shuffled by `seed`: images and labels."""
    for rows in shuffled_batches(len(train.labels), params.batch_size, seed)[: params.batches]:
        yield train.images[rows], train.labels[rows]


def one_shot_masks(
    network: SpikingNetwork, train: Split, method: Method, method_params: Block, params: Pruning, *, seed: int
) -> list[Mask]:
    """For every level the mask straight from the dense `network`, pruned in one step and not fine-tuned. Raises
    BrokenMethod, InfeasibleSelection: see `prune_levels`."""
    dense = Mask.dense(prunable_weights(network))
    problem = make_problem(network, dense, params.targets[0], train, params, seed_path=(seed, 0))
    problem = replace(problem, criticality=cache(problem.criticality))
    steps = [replace(problem, keep=keep_count(level, dense.size)) for level in params.targets]
    return [chosen_by(method, step, method_params) for step in steps]


def chosen_by(method: Method, problem: Problem, params: Block) -> Mask:
    """The method's mask, held against its contract; the network is in evaluation mode meanwhile. Raises BrokenMethod:
    it is no mask of these layers, or made of no scores of theirs, or revives a synapse, or (of an exact method) keeps
    another number of synapses than asked. Raises NotFiniteError: a score is not finite."""
    try:
        with nullcontext() if problem.network is None else evaluating(problem.network):
            mask = method.prune(problem, params)
    except (BrokenMethod, NotFiniteError) as error:
        raise type(error)(f"{method.name}: {error}") from error
    if not isinstance(mask, Mask):
        raise BrokenMethod(f"{method.name}: prune returned {type(mask).__name__}, expected a Mask")
    shapes, found = ({name: list(layer.shape) for name, layer in of.items()} for of in (problem.mask, mask))
    if list(shapes.items()) != list(found.items()):
        raise BrokenMethod(f"{method.name}: expected a mask of the layers {shapes}; found {found}")
    if not mask.inside(problem.mask):
        raise BrokenMethod(f"{method.name}: the mask revives synapses that an earlier level pruned")
    if method.exact and mask.nnz != problem.keep:
        raise BrokenMethod(f"{method.name}: the mask keeps {mask.nnz} synapses, asked were {problem.keep}")
    return mask
