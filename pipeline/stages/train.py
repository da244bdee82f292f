"""Stage train: train one experiment's dense net with one seed, or take a trained one as it is. Test is not read."""

import importlib
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from safetensors.torch import save_file

from pipeline.io import paths
from pipeline.io.entry import experiment_parser, run_stage, seed
from pipeline.io.files import write_json
from pipeline.io.matrix_file import require_own
from pipeline.io.nets import DENSE, net_name, percent
from pipeline.io.params import load_block, load_runtime
from pipeline.io.progress import TerminalProgress
from pipeline.io.runtime import set_up
from pipeline.io.tables import Curve
from snnprune.core.checkpoint import save_network
from snnprune.core.dataset import Dataset
from snnprune.core.errors import UserError
from snnprune.core.files import replace
from snnprune.core.network import build_network
from snnprune.core.own_model import Model, OwnModel
from snnprune.core.params import Frames, ModelParams
from snnprune.core.seeds import seed_everything
from snnprune.core.training.evaluate import accuracy
from snnprune.core.training.fit import fit, make_optimizer
from snnprune.core.training.optimizer_state import optimizer_tensors
from snnprune.core.training.params import FitParams

OWN = "snnprune.adapters.own"  # imported by name: only an experiment with such a network depends on it


def main(argv: Sequence[str] | None = None) -> None:
    """Write the dense net, its optimiser state, the curve (a row per epoch) and the metrics. A trained network of the
    user's own is taken as it is: its optimiser state is empty, and the curve has one row, of epoch 0. Raises UserError:
    a block or the dataset is missing or not as allowed, or the network does not fit the dataset."""
    parser = experiment_parser("Train one experiment's dense net with one seed.")
    parser.add_argument("seed", type=seed)
    options = parser.parse_args(argv)
    model = load_block(options.experiment, "model", Model)
    params = load_block(options.experiment, "train", FitParams)
    one_dense_net = isinstance(model, OwnModel) and model.is_shared
    model = model.of(options.seed) if isinstance(model, OwnModel) else model
    files = [*model.files] if isinstance(model, OwnModel) else []
    require_own(options.experiment, options.seed, files)
    stage = f"train/{options.experiment}/seed{options.seed}"
    setting = set_up(stage, options.experiment, load_runtime(), {"model": model, "train": params}, files)
    dataset = setting.dataset
    is_own = isinstance(model, OwnModel)
    if not is_own:
        _require_fitting(model, tuple(dataset.train.images.shape[1:]), dataset.classes)
    folder = paths.train_folder(options.experiment, options.seed)
    seed_everything(options.seed)
    network = _own_network(model, dataset) if is_own else build_network(model).to(setting.device)
    optimizer = make_optimizer(network, params)
    curve = Curve(folder / "curve.csv")
    if is_own and model.is_trained:
        metrics = {"one_dense_net": int(one_dense_net), "validation_accuracy": accuracy(network, dataset.validation)}
        curve.append({"epoch": 0, "loss": None, "validation_accuracy": metrics["validation_accuracy"], "lr": None})
        _warn_near_chance(metrics["validation_accuracy"], dataset)
    else:
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
        metrics = {"loss": epochs[-1].loss, "validation_accuracy": epochs[-1].validation_accuracy}
    save_network(folder / "model.safetensors", network)
    replace(folder / "optimizer.safetensors", lambda partial: save_file(optimizer_tensors(network, optimizer), partial))
    write_json(folder / "metrics.json", metrics)
    setting.resume.clear()
    print(f"{net_name(DENSE, 0.0, options.seed)}: validation accuracy {100 * metrics['validation_accuracy']:.2f} %")


def _own_network(model: OwnModel, dataset: Dataset) -> Any:
    """The user's network. Raises UserError: it cannot be built or loaded, or does not fit the dataset."""
    own = importlib.import_module(OWN)
    adapted = own.bring(model, dataset.train.images[: own.TRIED])
    form = f"by its own forward ({adapted.why})" if adapted.why else "as a plain sequence of layers"
    print(f"{type(adapted.net).__name__}: {adapted.network.spec.timesteps} time steps, run {form}", flush=True)
    own.require_classes(adapted, dataset.names)
    return adapted.network


def _warn_near_chance(found: float, dataset: Dataset) -> None:
    own = importlib.import_module(OWN)
    if (chance := own.near_chance(found, dataset.validation.labels)) is not None:
        causes = f"({percent(chance)}); likely causes: {own.CAUSES}"
        print(f"warning: validation accuracy {100 * found:.2f} % is near chance {causes}", flush=True)


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
