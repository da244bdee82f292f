"""Alpha sweep: the weight of criticality in |w| * C^alpha, chosen by validation accuracy after fine-tuning."""

from typing import Annotated

import pydantic

from pipeline.io.files import Row
from pipeline.io.progress import TerminalProgress
from pipeline.study import DENSE, Inputs, StudyParams
from snnprune.core.schema import Rising
from snnprune.methods import cqp
from snnprune.pruning.iterate import prune_levels
from snnprune.pruning.params import Alpha, Levels
from snnprune.pruning.registry import load_method

NEEDS = DENSE


class Params(StudyParams):
    """CQP (by synapses, no tau) over `levels` with every alpha of `values`, fine-tuned as in `prune`. The
    choice is the alpha with the highest mean validation accuracy over levels and seeds; test is not read."""

    values: Annotated[Rising[Alpha], pydantic.Field(min_length=2)]
    levels: Levels


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """One row per alpha and level."""
    method = load_method("cqp")
    prune = inputs.prune.model_copy(update={"levels": inputs.params.levels, "schedule": None})
    found: list[Row] = []
    for alpha in inputs.params.values:
        levels = prune_levels(
            inputs.dense(seed),
            inputs.dataset.train,
            inputs.dataset.validation,
            method,
            cqp.Params(alpha=alpha),
            prune,
            seed=seed,
            point=lambda level, alpha=alpha: inputs.resume.point(f"seed{seed}-alpha-{alpha}-level-{level}"),
            progress=TerminalProgress("cqp", seed, note=f", alpha {alpha:g}"),
        )
        found += [
            {"alpha": alpha, "level": level.level, "nnz": level.mask.nnz, "validation_accuracy": level.validation}
            for level in levels
        ]
    return found
