"""Stage train: train one experiment's dense net with one seed. Test is not read."""

import math
from collections.abc import Sequence
from dataclasses import asdict

from safetensors.torch import save_file

from pipeline.io import paths
from pipeline.io.entry import experiment_parser, run_stage, seed
from pipeline.io.files import Curve, write_json
from pipeline.io.params import load_block, load_runtime
from pipeline.io.progress import TerminalProgress
from pipeline.io.resume import Resume
from pipeline.io.runtime import configure
from pipeline.io.store import FILE, load_dataset
from snnprune.core.errors import UserError
from snnprune.core.files import replace
from snnprune.core.seeds import seed_everything
from snnprune.snn.checkpoint import save_network
from snnprune.snn.network import build_network
from snnprune.snn.params import ModelParams
from snnprune.training.fit import fit, make_optimizer
from snnprune.training.optimizer_state import optimizer_tensors
from snnprune.training.params import FitParams


def main(argv: Sequence[str] | None = None) -> None:
    """Write the dense net, its optimiser state, the curve (a row per epoch) and the metrics.

    Raises:
        ParamsError: a block is missing or holds something that is not allowed.
        DataError: the dataset is missing or damaged.
        UserError: the network's layers do not fit the dataset.
    """
    parser = experiment_parser("Train one experiment's dense net with one seed.")
    parser.add_argument("--seed", type=seed, required=True)
    options = parser.parse_args(argv)
    model = load_block(options.experiment, "model", ModelParams)
    params = load_block(options.experiment, "train", FitParams)
    runtime = load_runtime()
    device = configure(runtime)
    dataset = load_dataset(paths.data_folder(options.experiment)).to(device)
    _require_fitting(model, tuple(dataset.train.images.shape[1:]), dataset.classes)
    folder = paths.train_folder(options.experiment, options.seed)
    blocks = {"model": model, "train": params, "runtime": runtime}
    resume = Resume(
        f"train/{options.experiment}/seed{options.seed}",
        {"seed": options.seed, "device": device.type, **{name: block.model_dump() for name, block in blocks.items()}},
        [paths.data_folder(options.experiment) / FILE],
    )
    seed_everything(options.seed)
    network = build_network(model).to(device)
    optimizer = make_optimizer(network, params)
    curve = Curve(folder / "curve.csv")
    epochs = fit(
        network,
        optimizer,
        dataset.train,
        dataset.validation,
        params,
        seed_path=(options.seed,),
        resume=resume.point("dense"),
        progress=TerminalProgress(f"train seed {options.seed}"),
        on_epoch=lambda epoch: curve.append(asdict(epoch)),
    )
    save_network(folder / "model.safetensors", network)
    replace(folder / "optimizer.safetensors", lambda partial: save_file(optimizer_tensors(network, optimizer), partial))
    metrics = {"loss": epochs[-1].loss, "validation_accuracy": epochs[-1].validation_accuracy}
    write_json(folder / "metrics.json", metrics)
    resume.clear()
    print(f"dense net, seed {options.seed}: validation accuracy {epochs[-1].validation_accuracy:.2%}")


def _require_fitting(model: ModelParams, image_shape: tuple[int, ...], classes: int) -> None:
    """Check the network's input and classes against a dataset of images [C, H, W]; a vector takes any shape."""
    architecture = model.architecture
    inputs, size = math.prod(image_shape), "x".join(map(str, image_shape))
    if len(architecture.input_shape) == 3:
        fits, found, first = architecture.input_shape == image_shape, f"images of {size}", f"input must be {size}"
    else:
        fits, found, first = architecture.inputs == inputs, f"{inputs} inputs", f"first layer must be {inputs}"
    if not fits or architecture.classes != classes:
        raise UserError(
            f"model.layers: found {model.layers}, but the dataset has {found} and {classes} classes; "
            f"the {first} and the last {classes}"
        )


if __name__ == "__main__":
    run_stage(main)
