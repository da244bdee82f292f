"""Stage evaluate: what every net of one experiment, dense or pruned, does on the test split."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from pipeline.evaluation import FinishedNet, evaluated
from pipeline.inputs import dense_file, levels_of, pruned_file
from pipeline.io import paths
from pipeline.io.entry import experiment_parser, required, run_stage
from pipeline.io.files import write_csv
from pipeline.io.nets import DENSE, level_text, net_name
from pipeline.io.params import Matrix, load_matrix, load_runtime
from pipeline.io.resume import Resume
from pipeline.io.runtime import configure
from pipeline.io.store import FILE, load_dataset
from snnprune.energy.profiles import FILE as PROFILES
from snnprune.energy.profiles import load_profiles
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.snn.checkpoint import load_mask, load_masks, load_network
from snnprune.snn.network import SpikingNetwork


def main(argv: Sequence[str] | None = None) -> None:
    """Write `levels.csv`, a row per net: the dense nets, then every method, seed and level.

    Raises:
        ParamsError: the experiment's entry in the matrix is missing or holds something that is not allowed.
        DataError: the dataset is missing or damaged.
        UserError: a net is missing.
    """
    experiment = (
        experiment_parser("Evaluate every net of one experiment on the test split.").parse_args(argv).experiment
    )
    matrix = load_matrix(experiment)
    runtime = load_runtime()
    device = configure(runtime)
    test = load_dataset(paths.data_folder(experiment)).to(device).test
    profiles = load_profiles()
    files = _files(experiment, matrix)
    resume = Resume(
        f"evaluate/{experiment}",
        {"device": device.type, "runtime": runtime.model_dump()},
        [paths.data_folder(experiment) / FILE, PROFILES, *files],
    )
    count = len(files) - len(matrix.methods) * len(matrix.seeds)  # one file of each is masks only
    rows = []
    for net in _nets(experiment, matrix, device):
        point = resume.point(f"{net.method}-{net.level}-seed{net.seed}")
        done = point.load()
        if done is None:
            done = {"row": evaluated(net, test, profiles)}
            point.save(done)
        row = done["row"]
        rows.append(row)
        name = net_name(net.method, net.level, net.seed)
        print(f"{name}: test accuracy {row['accuracy']:.2%} ({len(rows)}/{count})", flush=True)
    write_csv(paths.evaluate_table(experiment), rows)
    resume.clear()


def _nets(experiment: str, matrix: Matrix, device: torch.device) -> Iterator[FinishedNet]:
    """Every net, loaded when it is asked for."""
    for seed in matrix.seeds:
        network = load_network(paths.dense_file(experiment, seed)).to(device)
        yield FinishedNet(DENSE, seed, 0.0, network, Mask.dense(prunable_weights(network)))
    for method in matrix.methods:
        for seed in matrix.seeds:
            dense = paths.dense_file(experiment, seed)
            one_shot = load_masks(paths.one_shot_file(experiment, method, seed), load_network(dense))
            previous = dense
            for level in levels_of(experiment, method, seed):
                path = paths.net_file(experiment, method, seed, level)
                mask = Mask(load_mask(path))
                yield FinishedNet(
                    method,
                    seed,
                    level,
                    load_network(path).to(device),
                    mask,
                    before=_under(previous, mask, device),
                    one_shot=_under(dense, Mask(one_shot[level_text(level)]), device),
                )
                previous = path


def _files(experiment: str, matrix: Matrix) -> list[Path]:
    """The files of all nets. Raises UserError when one is not there."""
    files = [dense_file(experiment, seed) for seed in matrix.seeds]
    for method in matrix.methods:
        for seed in matrix.seeds:
            files.append(required(paths.one_shot_file(experiment, method, seed), f"prune@{experiment}-{method}-{seed}"))
            levels = levels_of(experiment, method, seed)
            files += [pruned_file(experiment, method, seed, level) for level in levels]
    return files


def _under(path: Path, mask: Mask, device: torch.device) -> SpikingNetwork:
    """The net of a file with the mask's pruned weights set to zero."""
    network = load_network(path).to(device)
    mask.apply(prunable_weights(network))
    return network


if __name__ == "__main__":
    run_stage(main)
