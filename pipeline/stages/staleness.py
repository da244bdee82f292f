"""Stage staleness: CQP with criticality frozen at the dense net against recomputed."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline.io import paths
from pipeline.io.entry import required, run_stage
from pipeline.io.files import Row
from pipeline.io.params import load_method as load_method_params
from pipeline.report.studies.staleness import draw, paired_table, summarize
from pipeline.stages.study import Inputs, run_study
from pipeline.studies.params import StalenessParams
from pipeline.studies.staleness import METHOD, frozen_rows
from snnprune.core.errors import UserError
from snnprune.core.schema import Block
from snnprune.methods import load_method


def main(argv: Sequence[str] | None = None) -> None:
    """Write the study's files; raises what `run_study` raises."""
    run_study("staleness", StalenessParams, _rows, _summarize, draw, more=_more, argv=argv)


def _more(experiment: str) -> dict[str, Block]:
    return {"method": load_method_params(experiment, METHOD, load_method(METHOD).params)}


def _rows(inputs: Inputs, seed: int) -> list[Row]:
    _require_difference(inputs)
    return frozen_rows(
        inputs.dense(seed),
        inputs.dataset,
        inputs.more["method"],
        inputs.prune,
        seed,
        lambda level: inputs.resume.point(f"seed{seed}-level-{level:g}"),
    )


def _require_difference(inputs: Inputs) -> None:
    """Check that the prune stage recomputes criticality, and reaches a level that counts."""
    where, above = f"experiments.{inputs.experiment}", inputs.params.above
    if inputs.prune.criticality.frozen:
        raise UserError(f"{where}.prune.criticality.frozen: must be false where there is a staleness block; found true")
    if max(inputs.prune.targets) < above:
        raise UserError(f"{where}.staleness.above: no level of {where}.prune is that high; found {above}")


def _summarize(table: pd.DataFrame, inputs: Inputs) -> dict[str, Any]:
    fresh = pd.concat(
        pd.read_csv(
            required(
                paths.prune_folder(inputs.experiment, METHOD, seed) / "levels.csv",
                f"prune@{inputs.experiment}-{METHOD}-{seed}",
            )
        ).assign(seed=seed)
        for seed in inputs.seeds
    )
    return summarize(paired_table(table, fresh), inputs.params.above)


if __name__ == "__main__":
    run_stage(main)
