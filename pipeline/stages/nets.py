"""Loads the networks of one seed, dense and pruned, for the studies that measure them all."""

from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.io import paths
from pipeline.io.entry import required
from pipeline.io.files import Row
from pipeline.io.nets import DENSE, net_name
from pipeline.io.params import load_block, load_matrix
from pipeline.stages.study import Inputs
from pipeline.studies.nets import Net
from snnprune.pruning.params import PruneParams
from snnprune.snn.checkpoint import load_network


def pruned_files(experiment: str) -> list[Path]:
    """The weights of every method, seed and level. Raises UserError when one is not there."""
    matrix = load_matrix(experiment)
    levels = load_block(experiment, "prune", PruneParams).targets
    return [
        _file(experiment, method, seed, level) for method in matrix.methods for seed in matrix.seeds for level in levels
    ]


def nets(inputs: Inputs, seed: int) -> Iterator[Net]:
    """The dense net of a seed, then its pruned ones by method and level, each loaded when it is asked for."""
    yield Net(DENSE, 0.0, inputs.dense(seed))
    for method in load_matrix(inputs.experiment).methods:
        for level in inputs.prune.targets:
            network = load_network(_file(inputs.experiment, method, seed, level)).to(inputs.device)
            yield Net(method, level, network)


def rows_of_nets(inputs: Inputs, seed: int, rows_of: Callable[[Net], list[Row]]) -> list[Row]:
    """The rows of all nets of a seed; a net that is done is kept, so that an interrupted stage goes on after it."""
    rows: list[Row] = []
    for net in nets(inputs, seed):
        point = inputs.resume.point(f"seed{seed}-{net.method}-{net.level}")
        done = point.load()
        if done is None:
            done = {"rows": rows_of(net)}
            point.save(done)
            print(f"  seed {seed}, {net_name(net.method, net.level)}: done", flush=True)
        rows += done["rows"]
    return rows


def _file(experiment: str, method: str, seed: int, level: float) -> Path:
    path = paths.prune_folder(experiment, method, seed) / "models" / f"level-{level}.safetensors"
    return required(path, f"prune@{experiment}-{method}-{seed}")
