"""Stage paper: the dense nets pruned by the rules of the paper author's code, beside protocol `fair`."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline.io import paths
from pipeline.io.entry import required, run_stage
from pipeline.io.files import Row
from pipeline.io.params import load_matrix
from pipeline.report.studies.paper import draw, fair_rows, summarize
from pipeline.stages.study import Inputs, run_study
from pipeline.studies.paper import METHODS, paper_rows
from pipeline.studies.params import PaperParams


def main(argv: Sequence[str] | None = None) -> None:
    """Write the study's files; raises what `run_study` raises."""
    run_study("paper", PaperParams, _rows, _summarize, draw, argv=argv)


def _rows(inputs: Inputs, seed: int) -> list[Row]:
    return paper_rows(inputs.dense(seed), inputs.dataset, inputs.params, inputs.prune, seed, inputs.resume)


def _summarize(table: pd.DataFrame, inputs: Inputs) -> dict[str, Any]:
    methods = [method for method in load_matrix(inputs.experiment).methods if method in METHODS]
    levels_of = {
        (method, seed): pd.read_csv(
            required(
                paths.prune_folder(inputs.experiment, method, seed) / "levels.csv",
                f"prune@{inputs.experiment}-{method}-{seed}",
            )
        )
        for method in methods
        for seed in inputs.seeds
    }
    fair = pd.DataFrame(fair_rows(levels_of, inputs.params.levels))
    return summarize(pd.concat([table, fair], ignore_index=True), inputs.dataset.name)


if __name__ == "__main__":
    run_stage(main)
