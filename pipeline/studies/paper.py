"""Protocol `paper`: the rules of the paper author's public code, beside the published numbers and protocol `fair`.

First layer only. CQP drops whole input columns in a few linear rounds with a little fine-tuning after each; magnitude
and random prune synapses and gradient drops columns, all in one step without fine-tuning. So the methods differ in
granularity and in budget: this shows where a published gap comes from, it is no comparison of methods. The dense nets
are the experiment's own, not the author's: with another recipe (weight decay, augmentation, input noise) one-shot
masks do otherwise than in the notebooks.
"""

from typing import Annotated

import pydantic
import torch
from torch import Tensor

from pipeline.io.files import Row
from pipeline.io.nets import net_name
from pipeline.io.progress import TerminalProgress
from pipeline.study import COLUMNS, DENSE, NO_NEURON_MEANS, Experiment, Inputs, StudyParams
from snnprune.core.checkpoint import copy_parameters, load_parameters
from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork
from snnprune.core.schema import Count
from snnprune.core.seeds import derive_seed
from snnprune.core.training.evaluate import accuracy
from snnprune.core.training.fit import shuffled_batches
from snnprune.core.training.loss import CROSS_ENTROPY
from snnprune.core.training.params import FitParams
from snnprune.pruning.finetune import finetune
from snnprune.pruning.iterate import FINETUNE, METHOD, make_problem
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import Alpha, CriticalityParams, Levels, PruneParams, targets
from snnprune.pruning.problem import Problem
from snnprune.pruning.scores import by_presynaptic_neuron, normalized
from snnprune.pruning.select import InfeasibleSelection, keep_count, keep_top

METHODS = ("cqp", "magnitude", "gradient", "random")
NEEDS = DENSE
ASKS = (COLUMNS,)
BESIDE = ("cqp", "magnitude")


class Params(StudyParams):
    """Protocol `paper`, as in the public code of the paper's author: first layer only. CQP drops whole input columns in
    `rounds` linear rounds with fine-tuning on `batches` training batches after each; gradient drops columns, magnitude
    and random prune synapses, all three in one step without fine-tuning."""

    levels: Levels
    rounds: Annotated[int, pydantic.Field(ge=1, le=50)] = 3
    alpha: Alpha = 1.0
    batches: Count = 10
    criticality: CriticalityParams = CriticalityParams(batches=4, batch_size=512)
    finetune: FitParams

    @pydantic.field_validator("criticality")
    @classmethod
    def _fits(cls, criticality: CriticalityParams) -> CriticalityParams:
        if criticality.frozen:
            raise ValueError("frozen has no meaning here: criticality is measured anew in every round")
        if criticality.kind == "membrane":
            raise ValueError(f"with kind membrane, {NO_NEURON_MEANS}")
        return criticality


def problems(params: Params, experiment: Experiment) -> list[str]:
    """The report puts protocol `fair` beside it: that needs the levels among those pruned to."""
    where, prune = f"experiments.{experiment.name}", experiment.blocks.get("prune")
    return [
        f"{where}.paper.levels: {level} is none of the levels in {where}.prune: {', '.join(map(str, prune.targets))}"
        for level in params.levels
        if prune and level not in prune.targets
    ]


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """One row per method and level, each level from the dense net. `sparsity` is of the first layer, which the protocol
    prunes; `network_sparsity` is of all layers."""
    network, dataset = inputs.dense(seed), inputs.dataset
    dense = copy_parameters(network)
    size = sum(weight.numel() for weight in prunable_weights(network).values())
    found: list[Row] = []
    for level in inputs.params.levels:
        for method in METHODS:
            load_parameters(network, dense)
            if method == "cqp":
                mask = _columns_in_rounds(inputs, network, level, seed)
            else:
                mask = _one_shot(inputs, network, level, method, seed)
                mask.apply(prunable_weights(network))
            found.append(
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
            net, reached = net_name(method, level, seed), 100 * found[-1]["accuracy"]
            print(f"  {net}: test accuracy {reached:.2f} %", flush=True)
    return found


def column_scores(problem: Problem, alpha: float) -> Tensor:
    """CQP's importance of each input [inputs]: the sum over its outgoing synapses of |w| * C^alpha, C of the input."""
    (name,) = problem.mask
    critical = normalized(by_presynaptic_neuron(problem.criticality()))[name]
    return (problem.weights[name].abs() * critical**alpha).transpose(0, 1).flatten(1).sum(1)


def keep_columns(mask: Mask, scores: Tensor, level: float) -> Mask:
    """The mask of one weight with the highest-scoring input columns kept, round((1 - level) * inputs) of them. Raises
    InfeasibleSelection: no column would be left (a convolution over one channel, say)."""
    ((name, layer),) = mask.items()
    alive = layer.transpose(0, 1).flatten(1).any(1)
    keep = keep_count(level, len(alive))
    if keep == 0:
        raise InfeasibleSelection(f"sparsity {level:g} leaves none of the {len(alive)} inputs of {name}; prune less")
    kept = keep_top(torch.where(alive, scores, scores.min() - 1), keep)
    return Mask({name: layer & kept.reshape(1, -1, *[1] * (layer.dim() - 2))})


def _columns_in_rounds(inputs: Inputs[Params], network: SpikingNetwork, level: float, seed: int) -> Mask:
    """Drop columns in linear rounds, fine-tuning on a few batches after each; the network is changed in place."""
    params, train = inputs.params, inputs.dataset.train
    mask = _first_layer(network)
    wanted = params.batches * params.finetune.batch_size
    for number, target in enumerate(targets("linear", level, params.rounds)):
        path = (seed, params.levels.index(level), number)
        problem = make_problem(network, mask, target, train, _prune(inputs), seed_path=path)
        mask = keep_columns(mask, column_scores(problem, params.alpha), target)
        samples = shuffled_batches(len(train.labels), wanted, derive_seed(*path, FINETUNE))[0]
        finetune(
            network,
            mask,
            Split(train.images[samples], train.labels[samples]),
            inputs.dataset.validation,
            params.finetune,
            seed_path=(*path, FINETUNE),
            resume=inputs.resume.point(f"seed{seed}-level-{level}-round-{number}"),
            progress=TerminalProgress("cqp", seed, level, f", round {number + 1}/{params.rounds}"),
            loss=CROSS_ENTROPY,
        )
    return mask


def _one_shot(inputs: Inputs[Params], network: SpikingNetwork, level: float, method: str, seed: int) -> Mask:
    mask = _first_layer(network)
    (first,) = mask
    problem = make_problem(network, mask, level, inputs.dataset.train, _prune(inputs), seed_path=(seed, METHOD))
    if method == "gradient":
        critical = by_presynaptic_neuron(problem.criticality("sensitivity"))[first]
        return keep_columns(mask, critical.transpose(0, 1).flatten(1).mean(1), level)
    if method == "magnitude":
        return problem.keep_top({first: problem.weights[first].abs()})
    generator = torch.Generator().manual_seed(problem.seed)
    return problem.keep_top({first: torch.rand(problem.weights[first].shape, generator=generator)})


def _first_layer(network: SpikingNetwork) -> Mask:
    """The dense mask of the first layer."""
    name, weight = next(iter(prunable_weights(network).items()))
    return Mask.dense({name: weight})


def _prune(inputs: Inputs[Params]) -> PruneParams:
    """The experiment's block `prune` with the study's own criticality."""
    return inputs.prune.model_copy(update={"criticality": inputs.params.criticality})
