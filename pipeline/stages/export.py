"""Stage export: some nets of one experiment for other tools, and how often each export decides otherwise."""

import shutil
from collections.abc import Sequence

from pipeline.export.nets import in_project
from pipeline.export.params import ExportParams, names_of
from pipeline.export.paths import export_folder, export_table, exported_nets
from pipeline.export.write import made, write
from pipeline.io import paths
from pipeline.io.entry import experiment_parser, run_stage
from pipeline.io.finished import nets_of
from pipeline.io.params import load_block, load_matrix, load_runtime
from pipeline.io.runtime import configure
from pipeline.io.store import load_dataset
from pipeline.io.tables import write_table


def main(argv: Sequence[str] | None = None) -> None:
    """Write `nets/<net>/<target>/...` with a card each, and `table.csv`, a row per net and target: bytes of its
    files, of the net's arrays in them (`Card.net_bytes`), and what differs on test (empty where it cannot be run here).
    Raises UserError: the block is missing or names a net that there is not, a net is missing, or a target cannot
    express it."""
    experiment = experiment_parser("Export nets of one experiment.").parse_args(argv).experiment
    params = load_block(experiment, "export", ExportParams)
    configure(load_runtime())
    names = names_of(experiment, params, nets_of(experiment, load_matrix(experiment)))
    if (before := export_folder(experiment)).exists():
        shutil.rmtree(before)  # what is no longer asked for
    dataset, rows = load_dataset(paths.data_folder(experiment)), []
    for name in names:
        net = in_project(experiment, name, dataset)
        for target in params.targets:
            folder = exported_nets(experiment) / name / target
            card = write(net, target, made(net, target), folder, params.license)
            differing = card.differences.as_dict() if card.differences else {}
            sizes = {"bytes": sum(card.sizes.values()), "net_bytes": card.net_bytes}
            rows.append({"net": name, "target": target, **sizes, **differing})
            print(f"{name} as {target}: {card.differences or 'not run'}", flush=True)
    write_table(export_table(experiment), rows)


if __name__ == "__main__":
    run_stage(main)
