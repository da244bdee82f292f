"""Stage zombies: what revives pruned weights, with the guards switched on one by one."""

from collections.abc import Sequence

from safetensors.torch import load_file

from pipeline.io.entry import run_stage
from pipeline.io.files import Row
from pipeline.io.params import load_block
from pipeline.report.studies.zombies import draw, summarize
from pipeline.stages.study import Inputs, run_study
from pipeline.studies.params import ZombiesParams
from pipeline.studies.zombies import SETTINGS, zombie_rows
from snnprune.core.schema import Block
from snnprune.training.params import FitParams


def main(argv: Sequence[str] | None = None) -> None:
    """Write the study's files; raises what `run_study` raises, and ZombieError if the full guard lets one pass."""
    run_study("zombies", ZombiesParams, _rows, lambda table, inputs: summarize(table), draw, more=_more, argv=argv)


def _more(experiment: str) -> dict[str, Block]:
    return {"train": load_block(experiment, "train", FitParams)}


def _rows(inputs: Inputs, seed: int) -> list[Row]:
    state = load_file(inputs.dense_file(seed, "optimizer.safetensors"))
    rows: list[Row] = []
    for setting in SETTINGS:
        dense = inputs.dense(seed)
        rows += zombie_rows(
            dense, state, inputs.dataset, inputs.params, inputs.prune, inputs.more["train"], setting, seed
        )
        print(
            f"  seed {seed}, guards {setting}: {rows[-1]['zombies']:,} zombies after {rows[-1]['step']} steps",
            flush=True,
        )
    return rows


if __name__ == "__main__":
    run_stage(main)
