"""Stage layers: how much accuracy each layer alone loses when it is pruned."""

from collections.abc import Sequence

from pipeline.io.entry import run_stage
from pipeline.io.files import Row
from pipeline.report.studies.layers import draw, summarize
from pipeline.stages.study import Inputs, run_study
from pipeline.studies.layers import layer_rows
from pipeline.studies.params import LayersParams


def main(argv: Sequence[str] | None = None) -> None:
    """Write the study's files; raises what `run_study` raises."""
    run_study("layers", LayersParams, _rows, lambda table, inputs: summarize(table), draw, argv=argv)


def _rows(inputs: Inputs, seed: int) -> list[Row]:
    return layer_rows(inputs.dense(seed), inputs.dataset, inputs.params, inputs.prune, seed)


if __name__ == "__main__":
    run_stage(main)
