"""Stage evaluate: what every net of one experiment, dense or pruned, does on the test split. A new figure of finished
nets belongs here: it reruns this stage, and no net is trained again."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

from pipeline.io import paths
from pipeline.io.entry import experiment_parser, required, run_stage
from pipeline.io.files import Row
from pipeline.io.finished import levels_of, net_file, nets_of
from pipeline.io.nets import DENSE, level_text, net_name
from pipeline.io.params import load_matrix, load_runtime
from pipeline.io.runtime import Setting, set_up
from pipeline.io.tables import write_table
from snnprune.core.checkpoint import load_mask, load_masks, load_network
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.evaluate import accuracy, accuracy_under
from snnprune.energy.footprint import footprint
from snnprune.energy.measure import measure
from snnprune.pruning.compensate import Compensation
from snnprune.pruning.mask import Mask, prunable_weights

Compensations = Callable[[int], Compensation | None]


def main(argv: Sequence[str] | None = None) -> None:
    """Write `levels.csv`, a row per net: the dense nets, then every method, seed and level. Raises UserError: the
    experiment's entry in the matrix, the dataset or a net is missing or not as allowed."""
    parser = experiment_parser("Evaluate every net of one experiment on the test split.")
    experiment = parser.parse_args(argv).experiment
    matrix = load_matrix(experiment)
    nets = nets_of(experiment, matrix)
    files = [net_file(experiment, *net) for net in nets]
    files += [_one_shot_file(experiment, method, seed) for method in matrix.methods for seed in matrix.seeds]
    setting = set_up(f"evaluate/{experiment}", experiment, load_runtime(), {}, files)
    compensations = cache(lambda seed: _compensation(experiment, seed, setting))
    rows = []
    for net in nets:
        method, seed, level = net
        row = setting.resume.once(
            f"{method}-{level}-seed{seed}", lambda net=net: row_of(experiment, *net, setting, compensations)
        )
        rows.append(row)
        done = f"({len(rows)}/{len(nets)})"
        empty = f", {row['empty_layers']} of its layers without synapses" if row["empty_layers"] else ""
        accuracy = f"test accuracy {100 * row['accuracy']:.2f} %"
        print(f"{net_name(method, level, seed)}: {accuracy}{empty} {done}", flush=True)
    write_table(paths.evaluate_table(experiment), rows)
    setting.resume.clear()


def row_of(
    experiment: str, method: str, seed: int, level: float, setting: Setting, compensations: Compensations
) -> Row:
    """One row of a net: accuracies 0..1, counts of a sample (means over test; `pipeline/pricing.py` says what they
    cost), bytes. empty_layers: how many layers have no synapse left, so that nothing passes.
    accuracy_before: of the net of the level before under this level's mask, not yet fine-tuned. one_shot_accuracy: of
    the dense net under the mask that prunes it to this level in one step. one_shot_compensated: of the same net, its
    weights solved anew (`snnprune.pruning.compensate`); None where it runs the user's own forward. For the dense net
    all four are one."""
    test, path = setting.dataset.test, net_file(experiment, method, seed, level)
    network = load_network(path).to(setting.device)
    measured = measure(network, test)
    mask = Mask.dense(prunable_weights(network))
    before = one_shot = compensated = measured.accuracy
    if method != DENSE:
        mask = Mask(load_mask(path))
        levels = levels_of(experiment, method, seed)["level"].tolist()
        dense = load_network(net_file(experiment, DENSE, seed, 0.0)).to(setting.device)
        masks = load_masks(_one_shot_file(experiment, method, seed), dense)
        earlier = levels[: levels.index(level)]
        previous = load_network(net_file(experiment, method, seed, earlier[-1])) if earlier else dense
        before = accuracy_under(previous.to(setting.device), mask, test)
        straight, compensation = masks[level_text(level)], compensations(seed)
        one_shot = accuracy_under(dense, straight, test)
        compensated = None if compensation is None else accuracy(compensation.network(straight), test)
    total = measured.total
    return {
        "method": method,
        "seed": seed,
        "level": level,
        "sparsity": mask.sparsity,
        "nnz": mask.nnz,
        "accuracy_before": before,
        "accuracy": measured.accuracy,
        "one_shot_accuracy": one_shot,
        "one_shot_compensated": compensated,
        "timesteps": network.spec.timesteps,
        "effective_macs": total.macs,
        "effective_macs_once": total.macs_once,
        "effective_acs": total.acs,
        "dense_macs": total.dense_macs,
        "dense_acs": total.dense_acs,
        "neuron_updates": total.neuron_updates,
        "dense_updates": total.dense_updates,
        "index_bits": total.index_bits,
        "index_bits_once": total.index_bits_once,
        "spike_rate": total.spike_rate,
        "empty_layers": sum(layer.nnz == 0 for layer in measured.layers),
        **asdict(footprint(prunable_weights(network))),
    }


def _compensation(experiment: str, seed: int, setting: Setting) -> Compensation | None:
    """Of the dense net of a seed, on training samples; None for one that runs the user's own forward."""
    dense = load_network(net_file(experiment, DENSE, seed, 0.0)).to(setting.device)
    return Compensation.on(dense, setting.dataset.train, seed=seed) if isinstance(dense, SpikingNetwork) else None


def _one_shot_file(experiment: str, method: str, seed: int) -> Path:
    return required(paths.one_shot_file(experiment, method, seed), f"prune@{experiment}-{method}-{seed}")


if __name__ == "__main__":
    run_stage(main)
