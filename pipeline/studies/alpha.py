"""Alpha sweep: the weight of criticality in |w| * C^alpha, chosen by validation accuracy after fine-tuning."""

from collections.abc import Callable

from pipeline.io.files import Row
from pipeline.io.progress import TerminalProgress
from pipeline.studies.params import AlphaParams
from snnprune.core.dataset import Dataset
from snnprune.methods import cqp, load_method
from snnprune.pruning.iterate import prune_levels
from snnprune.pruning.params import PruneParams
from snnprune.snn.checkpoint import copy_parameters, load_parameters
from snnprune.snn.network import SpikingNetwork
from snnprune.training.resume import ResumePoint

METHOD = "cqp"


def alpha_rows(
    network: SpikingNetwork,
    dataset: Dataset,
    params: AlphaParams,
    prune: PruneParams,
    seed: int,
    point: Callable[[float, float], ResumePoint],
) -> list[Row]:
    """One row per alpha and level. Training is saved at `point(alpha, level)`. Test is not read."""
    method = load_method(METHOD)
    dense = copy_parameters(network)
    shorter = prune.model_copy(update={"levels": params.levels, "schedule": None})
    rows = []
    for alpha in params.values:
        load_parameters(network, dense)
        levels = prune_levels(
            network,
            dataset.train,
            dataset.validation,
            method,
            cqp.Params(alpha=alpha),
            shorter,
            seed=seed,
            point=lambda level, alpha=alpha: point(alpha, level),
            progress=TerminalProgress(f"alpha {alpha:g} seed {seed}"),
        )
        rows += [
            {"alpha": alpha, "level": level.level, "nnz": level.mask.nnz, "validation_accuracy": level.validation}
            for level in levels
        ]
    return rows
