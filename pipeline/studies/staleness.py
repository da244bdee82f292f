"""Staleness: criticality measured once at the dense net against measured anew at every level, paired over seeds."""

from collections.abc import Callable

from pipeline.io.files import Row
from pipeline.io.progress import TerminalProgress
from snnprune.core.dataset import Dataset
from snnprune.core.schema import Block
from snnprune.methods import load_method
from snnprune.pruning.iterate import prune_levels
from snnprune.pruning.params import PruneParams
from snnprune.snn.checkpoint import load_parameters
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import accuracy
from snnprune.training.resume import ResumePoint

METHOD = "cqp"


def frozen_rows(
    network: SpikingNetwork,
    dataset: Dataset,
    method_params: Block,
    prune: PruneParams,
    seed: int,
    point: Callable[[float], ResumePoint],
) -> list[Row]:
    """One row per level of CQP with frozen criticality; all else as in the `prune` stage, random draws included."""
    frozen = prune.model_copy(update={"criticality": prune.criticality.model_copy(update={"frozen": True})})
    levels = prune_levels(
        network,
        dataset.train,
        dataset.validation,
        load_method(METHOD),
        method_params,
        frozen,
        seed=seed,
        point=point,
        progress=TerminalProgress(f"frozen cqp seed {seed}"),
    )
    rows = []
    for level in levels:
        load_parameters(network, level.parameters)
        rows.append(
            {
                "level": level.level,
                "nnz": level.mask.nnz,
                "frozen_validation_accuracy": level.validation,
                "frozen_accuracy": accuracy(network, dataset.test),
            }
        )
    return rows
