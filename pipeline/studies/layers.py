"""Layer sensitivity: each layer alone pruned in one step by CQP's importance, measured on validation."""

from dataclasses import replace

from pipeline.io.files import Row
from pipeline.studies.one_shot import accuracy_under, mask_of
from pipeline.studies.params import LayersParams
from snnprune.core.dataset import Dataset
from snnprune.pruning.iterate import make_problem
from snnprune.pruning.mask import prunable_weights
from snnprune.pruning.params import PruneParams
from snnprune.pruning.scores import importance
from snnprune.pruning.select import keep_count
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import accuracy


def layer_rows(
    network: SpikingNetwork, dataset: Dataset, params: LayersParams, prune: PruneParams, seed: int
) -> list[Row]:
    """One row per layer and level; `loss_points` is what pruning that layer costs, in points of validation accuracy."""
    dense = accuracy(network, dataset.validation)
    names = list(prunable_weights(network))
    whole = make_problem(network, mask_of(network, names), params.levels[0], dataset.train, prune, seed_path=(seed, 0))
    scores = importance(whole.weights, whole.criticality(), params.alpha)
    rows = []
    for name, weight in whole.weights.items():
        for level in params.levels:
            start = mask_of(network, [name])
            mask = replace(whole, mask=start, keep=keep_count(level, start.size)).keep_top(scores)
            found = accuracy_under(network, mask, dataset.validation)
            rows.append(
                {
                    "layer": name,
                    "synapses": weight.numel(),
                    "level": level,
                    "nnz": mask.nnz,
                    "validation_accuracy": found,
                    "loss_points": 100 * (dense - found),
                }
            )
    return rows
