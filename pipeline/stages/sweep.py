"""Stage sweep: the threshold tau of protection swept over the dense net."""

from collections.abc import Sequence

from pipeline.io.entry import run_stage
from pipeline.io.files import Row
from pipeline.report.studies.sweep import draw, summarize
from pipeline.stages.study import Inputs, run_study
from pipeline.studies.params import SweepParams
from pipeline.studies.sweep import sweep_rows


def main(argv: Sequence[str] | None = None) -> None:
    """Write the study's files; raises what `run_study` raises."""
    run_study("sweep", SweepParams, _rows, lambda table, inputs: summarize(table), draw, argv=argv)


def _rows(inputs: Inputs, seed: int) -> list[Row]:
    return sweep_rows(inputs.dense(seed), inputs.dataset, inputs.params, inputs.prune, seed)


if __name__ == "__main__":
    run_stage(main)
