"""Stage temporal: how many time steps every net needs."""

from collections.abc import Sequence

from pipeline.io.entry import run_stage
from pipeline.io.files import Row
from pipeline.report.studies.temporal import draw, summarize
from pipeline.stages.nets import pruned_files, rows_of_nets
from pipeline.stages.study import Inputs, run_study
from pipeline.studies.temporal import temporal_rows
from snnprune.temporal.params import TemporalParams


def main(argv: Sequence[str] | None = None) -> None:
    """Write the study's files; raises what `run_study` raises."""
    run_study(
        "temporal", TemporalParams, _rows, lambda table, inputs: summarize(table), draw, reads=pruned_files, argv=argv
    )


def _rows(inputs: Inputs, seed: int) -> list[Row]:
    return rows_of_nets(inputs, seed, lambda net: temporal_rows(net, inputs.dataset, inputs.params, seed))


if __name__ == "__main__":
    run_stage(main)
