"""Stage relaxation: the relaxed programs of the dense net, rounded, against the exact masks."""

from collections.abc import Sequence

from pipeline.io.entry import run_stage
from pipeline.io.files import Row
from pipeline.report.studies.relaxation import draw, summarize
from pipeline.stages.study import Inputs, run_study
from pipeline.studies.params import RelaxationParams
from pipeline.studies.relaxation import relaxation_rows


def main(argv: Sequence[str] | None = None) -> None:
    """Write the study's files; raises what `run_study` raises, and NotSolved."""
    run_study("relaxation", RelaxationParams, _rows, lambda table, inputs: summarize(table), draw, argv=argv)


def _rows(inputs: Inputs, seed: int) -> list[Row]:
    return relaxation_rows(inputs.dense(seed), inputs.dataset, inputs.params, inputs.prune, seed)


if __name__ == "__main__":
    run_stage(main)
