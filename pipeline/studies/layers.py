"""Layer sensitivity: each layer alone pruned in one step by CQP's importance, measured on validation."""

from dataclasses import replace

from pipeline.io.files import Row
from pipeline.study import DENSE, Inputs, StudyParams
from snnprune.core.training.evaluate import accuracy, accuracy_under
from snnprune.pruning.mask import Mask
from snnprune.pruning.params import ALPHA, Alpha, Levels
from snnprune.pruning.scores import importance
from snnprune.pruning.select import keep_count

NEEDS = DENSE


class Params(StudyParams):
    """Every layer alone pruned in one step to `levels`, not fine-tuned; `alpha` is that of the importance."""

    levels: Levels
    alpha: Alpha = ALPHA


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """One row per layer and level; `loss_points` is what pruning that layer costs, in points of validation accuracy."""
    network, params, validation = inputs.dense(seed), inputs.params, inputs.dataset.validation
    dense = accuracy(network, validation)
    whole = inputs.problem(network, seed, params.levels[0])
    scores = importance(whole.weights, whole.criticality(), params.alpha)
    found: list[Row] = []
    for name, weight in whole.weights.items():
        for level in params.levels:
            alone = Mask.dense({name: weight})
            mask = replace(whole, mask=alone, keep=keep_count(level, alone.size)).keep_top(scores)
            pruned = accuracy_under(network, mask, validation)
            found.append(
                {
                    "layer": network.names.get(name, name),
                    "synapses": weight.numel(),
                    "level": level,
                    "nnz": mask.nnz,
                    "validation_accuracy": pruned,
                    "loss_points": 100 * (dense - pruned),
                }
            )
    return found
