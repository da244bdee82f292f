"""Stage train: train one experiment's dense net with one seed. Test is not read."""

import math
from collections.abc import Sequence
from dataclasses import asdict

from safetensors.torch import save_file

from pipeline.io import paths
from pipeline.io.entry import experiment_parser, run_stage, seed
from pipeline.io.files import write_json
from pipeline.io.nets import DENSE, net_name
from pipeline.io.params import load_block, load_runtime
from pipeline.io.progress import TerminalProgress
from pipeline.io.runtime import set_up
from pipeline.io.tables import Curve
from snnprune.core.checkpoint import save_network
from snnprune.core.errors import UserError
from snnprune.core.files import replace
from snnprune.core.network import build_network
from snnprune.core.params import Frames, ModelParams
from snnprune.core.seeds import seed_everything
from snnprune.core.training.fit import fit, make_optimizer
from snnprune.core.training.optimizer_state import optimizer_tensors
from snnprune.core.training.params import FitParams


def main(argv: Sequence[str] | None = None) -> None:
    """Write the dense net, its optimiser state, the curve (a row per epoch) and the metrics. Raises UserError: a block
    or the dataset is missing or not as allowed, or the layers do not fit the dataset."""
    parser = experiment_parser("Train one experiment's dense net with one seed.")
    parser.add_argument("seed", type=seed)
    options = parser.parse_args(argv)
    model = load_block(options.experiment, "model", ModelParams)
    params = load_block(options.experiment, "train", FitParams)
    stage = f"train/{options.experiment}/seed{options.seed}"
    setting = set_up(stage, options.experiment, load_runtime(), {"model": model, "train": params})
    dataset = setting.dataset
    _require_fitting(model, tuple(dataset.train.images.shape[1:]), dataset.classes)
    folder = paths.train_folder(options.experiment, options.seed)
    seed_everything(options.seed)
    network = build_network(model).to(setting.device)
    optimizer = make_optimizer(network, params)
    curve = Curve(folder / "curve.csv")
    epochs = fit(
        network,
        optimizer,
        dataset.train,
        dataset.validation,
        params,
        seed_path=(options.seed,),
        resume=setting.resume.point("dense"),
        progress=TerminalProgress(DENSE, options.seed),
        on_epoch=lambda epoch: curve.append(asdict(epoch)),
    )
    save_network(folder / "model.safetensors", network)
    replace(folder / "optimizer.safetensors", lambda partial: save_file(optimizer_tensors(network, optimizer), partial))
    metrics = {"loss": epochs[-1].loss, "validation_accuracy": epochs[-1].validation_accuracy}
    write_json(folder / "metrics.json", metrics)
    setting.resume.clear()
    print(f"{net_name(DENSE, 0.0, options.seed)}: validation accuracy {100 * epochs[-1].validation_accuracy:.2f} %")


def _require_fitting(model: ModelParams, shape: tuple[int, ...], classes: int) -> None:
    """Check the network's input and classes against a dataset of images [C, H, W] or frames [T, C, H, W]."""
    if model.takes(shape) and model.architecture.classes == classes:
        return
    frames, encoding = len(shape) == 4, model.encoding
    if frames != isinstance(encoding, Frames):
        kind, allowed = ("frames of events", "frames") if frames else ("still images", "all but frames")
        raise UserError(f"model.encoding: found {encoding.name}, but the dataset has {kind}; allowed is {allowed}")
    if frames and shape[0] != model.timesteps:
        raise UserError(
            f"model.timesteps: found {model.timesteps}, but the dataset has {shape[0]} frames a sample; they must agree"
        )
    kind, size, inputs = "frames" if frames else "images", "x".join(map(str, shape[-3:])), math.prod(shape[-3:])
    raise UserError(
        f"model.layers: found {model.layers}, but the dataset has {kind} of {size} and {classes} classes; "
        f"the input must be {size} or {inputs}, the last layer {classes}"
    )


if __name__ == "__main__":
    run_stage(main)
