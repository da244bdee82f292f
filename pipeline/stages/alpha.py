"""Stage alpha: CQP with several alphas, fine-tuned, and the choice by validation accuracy."""

from collections.abc import Sequence

from pipeline.io.entry import run_stage
from pipeline.io.files import Row
from pipeline.report.studies.alpha import draw, summarize
from pipeline.stages.study import Inputs, run_study
from pipeline.studies.alpha import alpha_rows
from pipeline.studies.params import AlphaParams


def main(argv: Sequence[str] | None = None) -> None:
    """Write the study's files; raises what `run_study` raises."""
    run_study("alpha", AlphaParams, _rows, lambda table, inputs: summarize(table), draw, seeds=_seeds, argv=argv)


def _rows(inputs: Inputs, seed: int) -> list[Row]:
    return alpha_rows(
        inputs.dense(seed),
        inputs.dataset,
        inputs.params,
        inputs.prune,
        seed,
        lambda alpha, level: inputs.resume.point(f"seed{seed}-alpha-{alpha:g}-level-{level:g}"),
    )


def _seeds(inputs: Inputs) -> list[int]:
    return inputs.params.seeds


if __name__ == "__main__":
    run_stage(main)
