"""A network of the user's own as a command line or a block `model` names it: built, loaded, adapted."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from snnprune.adapters.adapt import Adapted, adapt
from snnprune.adapters.checkpoint import load_checkpoint
from snnprune.adapters.module_file import build_from, file_and_name
from snnprune.adapters.network import AdaptedNetwork, Source
from snnprune.adapters.neurons import set_reset
from snnprune.core.errors import UserError
from snnprune.core.network import Origin, SpikingNetwork
from snnprune.core.own_code import imports_of, lying_in
from snnprune.core.own_model import NIR, Normalize, OwnModel, Reset
from snnprune.core.params import Frames

TRIED = 256  # training samples on which a plain form of the network is held against its own forward
NEAR_CHANCE = 2.0  # times the share of the most frequent class
CAUSES = (
    "inputs other than in its training (normalize, encoding, timesteps), another readout or reset, or a checkpoint of "
    "another network"
)


def load_own(module: str, checkpoint: Path | None, reset: Reset | None, reset_delay: bool | None) -> nn.Module:
    """The network as it is to be run. module: `<file>.py:<function>`, or a NIR file. Raises UserError: a file is
    missing or not usable."""
    if not is_nir(module):
        net = build_from(module)
        if checkpoint is not None:
            load_checkpoint(net, checkpoint)
        set_reset(net, reset, reset_delay)
        return net
    if checkpoint is not None:
        raise UserError(f"checkpoint: {module} holds its weights itself; found {checkpoint}")
    from snnprune.nir.reading import read  # which imports what is here

    return read(module, reset=reset, reset_delay=reset_delay)


def is_nir(module: str) -> bool:
    """Whether a network is given as a NIR file."""
    return module.endswith(NIR)


def file_of(module: str) -> Path:
    """The file that builds the network."""
    return Path(module) if is_nir(module) else Path(module.rpartition(":")[0])


def _beside(module: str) -> list[str]:
    file, _ = file_and_name(module)
    return lying_in(file.parent, imports_of(file))


def load_model(model: OwnModel) -> nn.Module:
    """The network of a block `model`. Raises UserError: as `load_own`, or its file imports one beside it, in which DVC
    would see no change."""
    if not model.is_nir and (others := _beside(model.module)):
        raise UserError(
            f"{file_of(model.module)}: imports {', '.join(others)} from beside it, in which an experiment would see no "
            "change; put the network into one file"
        )
    checkpoint = None if model.checkpoint is None else Path(model.checkpoint)
    return load_own(model.module, checkpoint, model.reset, model.reset_delay)


def bring(model: OwnModel, images: Tensor) -> Adapted:
    """The network of a block `model`, adapted to `images` (`snnprune.adapters.adapt.adapt`) on their device, so that it
    can be stored. Raises UserError: as `load_model` and `adapt`."""
    net = load_model(model).to(images.device)
    frames = isinstance(model.encoding, Frames) and images.dim() == 5
    adapted = adapt(
        net,
        images,
        timesteps=images.shape[1] if frames and model.timesteps is None else model.timesteps,
        encoding=model.encoding,
        readout=model.readout,
        normalize=model.normalize,
    )
    set_origin(adapted)
    if isinstance(adapted.network, AdaptedNetwork):
        adapted.network.source = Source(model.module, sha256(file_of(model.module)), model.reset, model.reset_delay)
    return adapted


def set_origin(adapted: Adapted, normalize: Normalize | None = None) -> None:
    """Let a plain sequence know the user's network that it was, and what was done to images that it takes."""
    if isinstance(adapted.network, SpikingNetwork):
        there = set(adapted.names.values())
        rest = {name: tensor.cpu() for name, tensor in adapted.net.state_dict().items() if name not in there}
        adapted.network.origin = Origin(adapted.names, rest, normalize)


def require_classes(adapted: Adapted, names: Sequence[str]) -> None:
    """Check the network's outputs against the classes of the data. Raises UserError: there are fewer."""
    spec = adapted.network.spec
    classes = spec.classes if isinstance(adapted.network, AdaptedNetwork) else spec.architecture.classes
    if classes < len(names):
        raise UserError(f"the network has {classes} classes; the data have {len(names)}: {', '.join(names)}")


def near_chance(accuracy: float, labels: Tensor) -> float | None:
    """The accuracy (0..1) that guessing has, where a network's is not clearly above it; else None."""
    chance = torch.bincount(labels).max().item() / len(labels)
    return chance if accuracy <= min(NEAR_CHANCE * chance, (1 + chance) / 2) else None


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
