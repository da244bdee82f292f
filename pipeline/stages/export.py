"""Stage export: some nets of one experiment for other tools, and how often each export decides otherwise."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.export.export import write
from pipeline.export.nets import in_project
from pipeline.export.params import ExportParams
from pipeline.io import paths
from pipeline.io.entry import experiment_parser, run_stage
from pipeline.io.finished import nets_of
from pipeline.io.nets import net_name
from pipeline.io.params import load_block, load_matrix, load_runtime
from pipeline.io.runtime import configure
from pipeline.io.store import load_dataset
from pipeline.io.tables import write_table
from snnprune.core.schema import ParamsError


def main(argv: Sequence[str] | None = None) -> None:
    """Write `nets/<net>/<target>/...` with a card each, and `table.csv`, a row per net and target. Raises UserError:
    the block is missing or names a net that there is not, a net is missing, or a target cannot express it."""
    experiment = experiment_parser("Export nets of one experiment.").parse_args(argv).experiment
    params = load_block(experiment, "export", ExportParams)
    configure(load_runtime())
    names, folder = _names(experiment, params), _folder(experiment)
    if folder.exists():
        shutil.rmtree(folder)  # what is no longer asked for
    dataset, rows = load_dataset(paths.data_folder(experiment)), []
    for name in names:
        net = in_project(experiment, name, dataset)
        for target in params.targets:
            card = write(net, target, folder / "nets" / name / target, params.license)
            differing = card.differences.as_dict() if card.differences else {}
            rows.append({"net": name, "target": target, "bytes": sum(card.sizes.values()), **differing})
            print(f"{name} as {target}: {card.differences or 'not run'}", flush=True)
    write_table(folder / "table.csv", rows)


def _folder(experiment: str) -> Path:
    return paths.RESULTS / experiment / "export"


def _names(experiment: str, params: ExportParams) -> list[str]:
    """The nets that the block asks for, one a seed, in the experiment's order."""
    nets = nets_of(experiment, load_matrix(experiment))
    there = {net_name(method, level, seed): net_name(method, level) for method, seed, level in nets}
    if unknown := [net for net in params.nets if net not in {*there, *there.values()}]:
        known = ", ".join(dict.fromkeys(there.values()))
        raise ParamsError(f"experiments.{experiment}.export.nets: no net {unknown[0]!r}; there are: {known}")
    return [name for name, every_seed in there.items() if {name, every_seed} & set(params.nets)]


if __name__ == "__main__":
    run_stage(main)
