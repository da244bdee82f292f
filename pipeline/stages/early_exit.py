"""Stage early_exit: each sample stops as soon as its answer is clear."""

from collections.abc import Sequence

from pipeline.io.entry import run_stage
from pipeline.io.files import Row
from pipeline.report.studies.early_exit import draw, summarize
from pipeline.stages.nets import pruned_files, rows_of_nets
from pipeline.stages.study import Inputs, run_study
from pipeline.studies.early_exit import early_exit_rows
from snnprune.temporal.params import EarlyExitParams


def main(argv: Sequence[str] | None = None) -> None:
    """Write the study's files; raises what `run_study` raises."""
    run_study(
        "early_exit",
        EarlyExitParams,
        _rows,
        lambda table, inputs: summarize(table),
        draw,
        reads=pruned_files,
        argv=argv,
    )


def _rows(inputs: Inputs, seed: int) -> list[Row]:
    return rows_of_nets(inputs, seed, lambda net: early_exit_rows(net, inputs.dataset, inputs.params, seed))


if __name__ == "__main__":
    run_stage(main)
