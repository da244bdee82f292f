"""Protocol `paper`: the rules of the paper author's public code, beside the published numbers and protocol `fair`.

First layer only. CQP drops whole input columns in a few linear rounds with a little fine-tuning after each; magnitude
and random prune synapses and gradient drops columns, all in one step without fine-tuning. So the methods differ in
granularity and in budget: this shows where a published gap comes from, it is no comparison of methods. The dense nets
are the experiment's own, not the author's: with another recipe (weight decay, augmentation, input noise) one-shot
masks do otherwise than in the notebooks.
"""

import torch
from torch import Tensor

from pipeline.io.files import Row
from pipeline.io.progress import TerminalProgress
from pipeline.io.resume import Resume
from pipeline.studies.one_shot import mask_of
from pipeline.studies.params import PaperParams
from snnprune.core.dataset import Dataset, Split
from snnprune.core.seeds import derive_seed
from snnprune.pruning.guard import MaskGuard
from snnprune.pruning.iterate import FINETUNE, METHOD, make_problem
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import PruneParams
from snnprune.pruning.problem import Problem
from snnprune.pruning.schedule import targets
from snnprune.pruning.scores import by_presynaptic_neuron, normalized
from snnprune.pruning.select import InfeasibleSelection, keep_count, keep_top
from snnprune.snn.checkpoint import copy_parameters, load_parameters
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import accuracy
from snnprune.training.fit import fit, make_optimizer, shuffled_batches

METHODS = ("cqp", "magnitude", "gradient", "random")


def paper_rows(
    network: SpikingNetwork, dataset: Dataset, params: PaperParams, prune: PruneParams, seed: int, resume: Resume
) -> list[Row]:
    """One row per method and level, each level from the dense net.

    `sparsity` is of the first layer, which the protocol prunes; `network_sparsity` is of all layers.
    """
    dense = copy_parameters(network)
    first = next(iter(prunable_weights(network)))
    size = sum(weight.numel() for weight in prunable_weights(network).values())
    prune = prune.model_copy(update={"criticality": params.criticality})
    rows = []
    for level in params.levels:
        for method in METHODS:
            load_parameters(network, dense)
            if method == "cqp":
                mask = _columns_in_rounds(network, dataset, params, prune, first, level, seed, resume)
            else:
                mask = _one_shot(network, dataset, prune, first, level, method, seed)
                mask.apply(prunable_weights(network))
            rows.append(
                {
                    "protocol": "paper",
                    "method": method,
                    "level": level,
                    "sparsity": mask.sparsity,
                    "network_sparsity": (mask.size - mask.nnz) / size,
                    "nnz": mask.nnz,
                    "validation_accuracy": accuracy(network, dataset.validation),
                    "accuracy": accuracy(network, dataset.test),
                }
            )
            print(f"  seed {seed}, {method} at {level:g}: test accuracy {rows[-1]['accuracy']:.2%}", flush=True)
    return rows


def column_scores(problem: Problem, alpha: float) -> Tensor:
    """CQP's importance of each input [inputs]: the sum over its outgoing synapses of |w| * C^alpha, C of the input."""
    (name,) = problem.mask
    critical = normalized(by_presynaptic_neuron(problem.criticality()))[name]
    return (problem.weights[name].abs() * critical**alpha).transpose(0, 1).flatten(1).sum(1)


def keep_columns(mask: Mask, scores: Tensor, level: float) -> Mask:
    """The mask of one weight with the highest-scoring input columns kept, round((1 - level) * inputs) of them.

    Raises:
        InfeasibleSelection: no column would be left (a convolution over one channel, say).
    """
    ((name, layer),) = mask.items()
    alive = layer.transpose(0, 1).flatten(1).any(1)
    keep = keep_count(level, len(alive))
    if keep == 0:
        raise InfeasibleSelection(f"sparsity {level:g} leaves none of the {len(alive)} inputs of {name}; prune less")
    kept = keep_top(torch.where(alive, scores, scores.min() - 1), keep)
    return Mask({name: layer & kept.reshape(1, -1, *[1] * (layer.dim() - 2))})


def _columns_in_rounds(
    network: SpikingNetwork,
    dataset: Dataset,
    params: PaperParams,
    prune: PruneParams,
    first: str,
    level: float,
    seed: int,
    resume: Resume,
) -> Mask:
    """Drop columns in linear rounds, fine-tuning on a few batches after each; the network is changed in place."""
    mask = mask_of(network, [first])
    wanted = params.batches * params.finetune.batch_size
    for number, target in enumerate(targets("linear", level, params.rounds)):
        path = (seed, params.levels.index(level), number)
        problem = make_problem(network, mask, target, dataset.train, prune, seed_path=path)
        mask = keep_columns(mask, column_scores(problem, params.alpha), target)
        optimizer = make_optimizer(network, params.finetune)
        rows = shuffled_batches(len(dataset.train.labels), wanted, derive_seed(*path, FINETUNE))[0]
        fit(
            network,
            optimizer,
            Split(dataset.train.images[rows], dataset.train.labels[rows]),
            dataset.validation,
            params.finetune,
            seed_path=(*path, FINETUNE),
            resume=resume.point(f"seed{seed}-level-{level}-round-{number}"),
            progress=TerminalProgress(f"paper cqp seed {seed} level {level} round {number + 1}/{params.rounds}"),
            hooks=MaskGuard(network, optimizer, mask),
        )
    return mask


def _one_shot(
    network: SpikingNetwork, dataset: Dataset, prune: PruneParams, first: str, level: float, method: str, seed: int
) -> Mask:
    mask = mask_of(network, [first])
    problem = make_problem(network, mask, level, dataset.train, prune, seed_path=(seed, METHOD))
    if method == "gradient":
        critical = by_presynaptic_neuron(problem.criticality("sensitivity"))[first]
        return keep_columns(mask, critical.transpose(0, 1).flatten(1).mean(1), level)
    if method == "magnitude":
        return problem.keep_top({first: problem.weights[first].abs()})
    generator = torch.Generator().manual_seed(problem.seed)
    return problem.keep_top({first: torch.rand(problem.weights[first].shape, generator=generator)})
