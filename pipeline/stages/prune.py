"""Stage prune: prune one dense net by one method to every level, with fine-tuning after each. Test is not read."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from torch import Tensor

from pipeline.io import paths
from pipeline.io.entry import experiment_parser, required, run_stage, seed
from pipeline.io.nets import level_text
from pipeline.io.params import load_block, load_runtime
from pipeline.io.progress import TerminalProgress
from pipeline.io.resume import remembered
from pipeline.io.runtime import set_up
from pipeline.io.tables import Curve, write_table
from snnprune.core.checkpoint import load_network, load_parameters, save_masks, save_network
from snnprune.core.training.fit import Epoch
from snnprune.pruning.iterate import one_shot_masks, prune_levels
from snnprune.pruning.params import PruneParams
from snnprune.pruning.registry import load_method


def main(argv: Sequence[str] | None = None) -> None:
    """Write `levels.csv`, the fine-tuning curve, the net of every level and the masks of one step. Raises
    UserError: unknown method, a block, the dataset or the dense net is missing or not as allowed, or the method's
    constraints cannot be met."""
    parser = experiment_parser("Prune one dense net by one method to every level.")
    parser.add_argument("method")
    parser.add_argument("seed", type=seed)
    options = parser.parse_args(argv)
    place = (options.experiment, options.method, options.seed)
    method = load_method(options.method)
    params = load_block(options.experiment, "prune", PruneParams)
    method_params = load_block(options.experiment, f"methods.{options.method}", method.params)
    dense = required(paths.dense_file(options.experiment, options.seed), f"train@{options.experiment}-{options.seed}")
    stage = f"prune/{options.experiment}/{options.method}/seed{options.seed}"
    setting = set_up(stage, options.experiment, load_runtime(), {"prune": params, "method": method_params}, [dense])
    dataset, folder = setting.dataset, paths.prune_folder(*place)
    curve = Curve(folder / "curve.csv")

    def on_epoch(level: float, epoch: Epoch) -> None:
        earlier = params.targets.index(level) * params.finetune.epochs
        curve.append({**asdict(epoch), "epoch": earlier + epoch.epoch, "level": level})

    def remember(make: Callable[[], Tensor]) -> Tensor:
        asked = {"data": dataset.digest, "augment": params.finetune.augment, "device": setting.device.type}
        return remembered(f"{options.experiment}/seed{options.seed}", asked, [dense], make)

    levels = prune_levels(
        load_network(dense).to(setting.device),
        dataset.train,
        dataset.validation,
        method,
        method_params,
        params,
        seed=options.seed,
        point=lambda level: setting.resume.point(f"level-{level}"),
        progress=TerminalProgress(options.method, options.seed),
        on_epoch=on_epoch,
        remember=remember,
    )
    network = load_network(dense).to(setting.device)
    masks = one_shot_masks(network, dataset.train, method, method_params, params, seed=options.seed)
    rows = [
        {
            "protocol": params.protocol,
            "level": level.level,
            "sparsity": level.mask.sparsity,
            "keep": level.keep,
            "nnz": level.mask.nnz,
            "synapses": level.mask.size,
            "validation_accuracy_before": level.validation_before,
            "validation_accuracy": level.validation,
            "one_shot_sparsity": mask.sparsity,
            "timesteps": network.spec.timesteps,
        }
        for level, mask in zip(levels, masks, strict=True)
    ]
    for level in levels:
        load_parameters(network, level.parameters)
        save_network(paths.net_file(*place, level.level), network, level.mask)
    one_shot = {level_text(level.level): mask for level, mask in zip(levels, masks, strict=True)}
    save_masks(paths.one_shot_file(*place), one_shot)
    write_table(folder / "levels.csv", rows)
    setting.resume.clear()


if __name__ == "__main__":
    run_stage(main)
