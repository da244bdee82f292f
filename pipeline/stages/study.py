"""What the stages of the studies share: rows for every seed, then a summary over seeds and a figure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure

from pipeline.io import paths
from pipeline.io.entry import experiment_parser, required
from pipeline.io.files import Row, write_json, write_text
from pipeline.io.params import load_block, load_runtime, load_seeds
from pipeline.io.resume import Resume
from pipeline.io.runtime import configure
from pipeline.io.store import FILE, load_dataset
from pipeline.report.style import save_svg
from snnprune.core.dataset import Dataset
from snnprune.core.schema import Block
from snnprune.pruning.params import PruneParams
from snnprune.snn.checkpoint import load_network
from snnprune.snn.network import SpikingNetwork


@dataclass(frozen=True)
class Inputs:
    """What a study reads: the blocks, the dataset, the dense nets, and where it keeps what it has done so far."""

    experiment: str
    params: Any  # the study's own block
    prune: PruneParams
    more: dict[str, Any]  # further blocks, see `run_study`
    seeds: list[int]
    dataset: Dataset
    device: torch.device
    resume: Resume

    def dense_file(self, seed: int, name: str = "model.safetensors") -> Path:
        """A file of the dense net of one seed. Raises UserError when it is not there."""
        return required(paths.train_folder(self.experiment, seed) / name, f"train@{self.experiment}-{seed}")

    def dense(self, seed: int) -> SpikingNetwork:
        """A fresh copy of the dense net of one seed, on the device."""
        return load_network(self.dense_file(seed)).to(self.device)


RowsOfSeed = Callable[[Inputs, int], list[Row]]
Summarize = Callable[[pd.DataFrame, Inputs], dict[str, Any]]


def run_study(
    name: str,
    schema: type[Block],
    rows_of_seed: RowsOfSeed,
    summarize: Summarize,
    draw: Callable[[dict[str, Any]], Figure],
    *,
    seeds: Callable[[Inputs], list[int]] = lambda inputs: inputs.seeds,
    more: Callable[[str], dict[str, Block]] = lambda experiment: {},
    reads: Callable[[str], list[Path]] = lambda experiment: [],
    argv: Sequence[str] | None = None,
) -> None:
    """Write `table.csv` (the rows of all seeds), `summary.json` and `figures/<name>.svg` of one study.

    What a summary has under `tables`, name -> rows, is written as `<name>.csv` instead of into `summary.json`.

    A seed that is done is kept as a resume point, so that an interrupted study goes on with the next one. What rows
    depend on must be known before, or stale ones would be kept: `more` reads further blocks of the experiment, `reads`
    names further files, beside the dataset and the dense nets.

    Raises:
        ParamsError: a block is missing or holds something that is not allowed.
        DataError: the dataset is missing or damaged.
        UserError: an input is missing.
    """
    experiment = experiment_parser(f"Study: {name}.").parse_args(argv).experiment
    params = load_block(experiment, name, schema)
    prune = load_block(experiment, "prune", PruneParams)
    every_seed = load_seeds(experiment)
    runtime = load_runtime()
    device = configure(runtime)
    further = more(experiment)
    blocks = {"params": params, "prune": prune, "runtime": runtime, **further}
    dense = [
        required(paths.train_folder(experiment, seed) / "model.safetensors", f"train@{experiment}-{seed}")
        for seed in every_seed
    ]
    inputs = Inputs(
        experiment=experiment,
        params=params,
        prune=prune,
        more=further,
        seeds=every_seed,
        dataset=load_dataset(paths.data_folder(experiment)).to(device),
        device=device,
        resume=Resume(
            f"{name}/{experiment}",
            {"device": device.type, **{key: block.model_dump() for key, block in blocks.items()}},
            [paths.data_folder(experiment) / FILE, *dense, *reads(experiment)],
        ),
    )
    rows: list[Row] = []
    chosen = seeds(inputs)
    for number, seed in enumerate(chosen, start=1):
        point = inputs.resume.point(f"seed{seed}")
        done = point.load()
        if done is None:
            done = {"rows": [{"seed": seed, **row} for row in rows_of_seed(inputs, seed)]}
            point.save(done)
        rows += done["rows"]
        print(f"{name} {experiment}: seed {seed} done ({number}/{len(chosen)})", flush=True)
    table = pd.DataFrame(rows)
    summary = summarize(table, inputs)
    folder = paths.studies_folder(experiment, name)
    tables = {"table": table} | {key: pd.DataFrame(part) for key, part in summary.get("tables", {}).items()}
    for key, part in tables.items():
        write_text(folder / f"{key}.csv", part.to_csv(index=False, lineterminator="\n"))
    write_json(folder / "summary.json", {key: part for key, part in summary.items() if key != "tables"})
    save_svg(draw(summary), folder / "figures" / f"{name}.svg")
    inputs.resume.clear()
    for line in summary["findings"]:
        print(line)
