"""Stage energy: effective operations and energy of every net, by time steps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.io import paths
from pipeline.io.entry import required, run_stage
from pipeline.io.files import Row
from pipeline.io.nets import net_name
from pipeline.report.studies.energy import summarize
from pipeline.report.studies.energy_figure import draw
from pipeline.stages.nets import pruned_files, rows_of_nets
from pipeline.stages.study import Inputs, run_study
from pipeline.studies.energy import energy_rows
from pipeline.studies.nets import Net
from pipeline.studies.temporal import chosen_steps
from snnprune.core.errors import UserError
from snnprune.energy.params import EnergyParams
from snnprune.energy.profiles import FILE, load_profiles


def main(argv: Sequence[str] | None = None) -> None:
    """Write the study's files; raises what `run_study` raises, and ParamsError for a wrong profile."""
    run_study("energy", EnergyParams, _rows, _summarize, draw, reads=_reads, argv=argv)


def _reads(experiment: str) -> list[Path]:
    return [*pruned_files(experiment), _temporal_table(experiment), FILE]


def _rows(inputs: Inputs, seed: int) -> list[Row]:
    timesteps = inputs.dense(seed).spec.timesteps
    if max(inputs.params.steps) > timesteps:
        raise UserError(
            f"experiments.{inputs.experiment}.energy.steps: at most {timesteps} are allowed, model.timesteps; "
            f"found {inputs.params.steps}"
        )
    steps = chosen_steps(pd.read_csv(_temporal_table(inputs.experiment)))
    profiles = load_profiles()

    def rows_of(net: Net) -> list[Row]:
        key = (seed, net.method, net.level)
        if key not in steps:
            raise UserError(
                f"temporal@{inputs.experiment} has no row of {net_name(net.method, net.level)}, seed {seed}; "
                f"run it again: dvc repro temporal@{inputs.experiment}"
            )
        return energy_rows(net, inputs.dataset, inputs.params, steps[key], profiles, seed)

    return rows_of_nets(inputs, seed, rows_of)


def _summarize(table: pd.DataFrame, inputs: Inputs) -> dict[str, Any]:
    return summarize(table, inputs.params, load_profiles())


def _temporal_table(experiment: str) -> Path:
    return required(paths.studies_folder(experiment, "temporal") / "table.csv", f"temporal@{experiment}")


if __name__ == "__main__":
    run_stage(main)
