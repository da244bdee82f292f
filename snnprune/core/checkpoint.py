"""Saves a network as safetensors together with the `model` block that rebuilds it; a pruned one sparse."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from snnprune.core.errors import NotFiniteError, UserError
from snnprune.core.files import replace
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams

MASK, KEPT = ".mask", ".kept"  # endings of the two tensors of a weight that is stored sparse

Masks = Mapping[str, Tensor]


class NetworkFileError(UserError, ValueError):
    """A file holds no network, or is damaged."""


def copy_parameters(network: SpikingNetwork) -> dict[str, Tensor]:
    """A copy of all weights and biases, name -> tensor on the CPU."""
    return {name: parameter.detach().cpu().clone() for name, parameter in network.named_parameters()}


def load_parameters(network: SpikingNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Put `tensors` into the network's weights and biases. Raises ValueError: names or shapes differ from the
    network's."""
    parameters = dict(network.named_parameters())
    found, expected = ({n: list(t.shape) for n, t in layers.items()} for layers in (tensors, parameters))
    if found != expected:
        raise ValueError(f"weights do not fit the network: found {found}, expected {expected}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])


def save_network(path: Path, network: SpikingNetwork, mask: Masks | None = None) -> None:
    """Write weights and biases, and the spec as JSON in the header; byte-identical for equal networks and masks.

    A weight that `mask` names (name -> boolean tensor of the weight's shape, True = kept) is stored sparse: its mask in
    bits as `<name>.mask`, its kept values row by row as `<name>.kept`. Everything else is stored whole. Raises
    ValueError: a mask does not fit the network, or a pruned weight is not zero. Raises NotFiniteError: a weight is NaN
    or infinite.
    """
    tensors = copy_parameters(network)
    if wrong := _not_finite(tensors):
        raise NotFiniteError(f"{path}: not written, as values of {wrong} are NaN or infinite")
    for name, layer in (mask or {}).items():
        if name not in tensors or tensors[name].shape != layer.shape:
            raise ValueError(f"mask of {name}, {list(layer.shape)}: the network has no weight of this name and shape")
        weight, kept = tensors.pop(name), layer.detach().cpu()
        if weight[~kept].any():
            raise ValueError(f"{name}: {int(weight[~kept].count_nonzero())} weights outside the mask are not zero")
        tensors |= {name + MASK: _packed(kept), name + KEPT: weight[kept]}
    metadata = {"model": network.spec.model_dump_json()}
    replace(path, lambda partial: save_file(tensors, partial, metadata=metadata))


def load_network(path: Path) -> SpikingNetwork:
    """Rebuild a saved network, in evaluation mode, on the CPU; pruned weights are 0. Raises NetworkFileError: the file
    is damaged, or no network written by `save_network`, or its weights do not fit its spec or are not finite."""
    network, tensors = _read(path)
    shapes = _shapes(network)
    for name in _masked(tensors):
        kept = _unpacked(tensors.pop(name + MASK), shapes, name, path)
        values = tensors.pop(name + KEPT, None)
        if values is None or len(values) != kept.count_nonzero():
            raise NetworkFileError(f"{path}: {name} has not one value for each synapse that its mask keeps")
        tensors[name] = torch.zeros(shapes[name]).masked_scatter_(kept, values)
    if wrong := _not_finite(tensors):
        raise NetworkFileError(f"{path}: values of {wrong} are NaN or infinite")
    try:
        load_parameters(network, tensors)
    except ValueError as error:
        raise NetworkFileError(f"{path}: {error}") from error
    return network.eval()


def load_mask(path: Path) -> dict[str, Tensor]:
    """The mask that a network was saved with: weight -> boolean tensor; empty when it was saved without one. Raises
    NetworkFileError: see `load_network`."""
    network, tensors = _read(path)
    return {name: _unpacked(tensors[name + MASK], _shapes(network), name, path) for name in _masked(tensors)}


def save_masks(path: Path, masks: Mapping[str, Masks]) -> None:
    """Write several masks of one network in bits, by a name each, such as its level's."""
    tensors = {f"{key}/{name}": _packed(layer) for key, mask in masks.items() for name, layer in mask.items()}
    replace(path, lambda partial: save_file(tensors, partial))


def load_masks(path: Path, network: nn.Module) -> dict[str, dict[str, Tensor]]:
    """The masks of `network` in a file of `save_masks`, by their names in alphabetical order. Raises NetworkFileError:
    the file is damaged, or its masks are not those of such a network."""
    shapes = _shapes(network)
    masks: dict[str, dict[str, Tensor]] = {}
    for full, packed in sorted(_tensors(path)[1].items()):
        key, _, name = full.partition("/")
        masks.setdefault(key, {})[name] = _unpacked(packed, shapes, name, path)
    return {key: {name: mask[name] for name in shapes if name in mask} for key, mask in masks.items()}


def _read(path: Path) -> tuple[SpikingNetwork, dict[str, Tensor]]:
    """A network of the spec in a file, with weights that mean nothing yet, and the file's tensors."""
    metadata, tensors = _tensors(path)
    if "model" not in metadata:
        raise NetworkFileError(f"{path}: no network in this file (its header has no 'model' entry)")
    try:
        return build_network(ModelParams.model_validate_json(metadata["model"])), tensors
    except ValidationError as error:
        raise NetworkFileError(f"{path}: its model is none that this version allows: {error}") from error


def _tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as stream:
            return stream.metadata() or {}, {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError) as error:
        raise NetworkFileError(f"{path}: damaged or not a safetensors file ({error})") from error


def _not_finite(tensors: Mapping[str, Tensor]) -> str:
    return ", ".join(name for name, tensor in tensors.items() if not tensor.isfinite().all())


def _shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: parameter.shape for name, parameter in network.named_parameters()}


def _masked(tensors: Mapping[str, Tensor]) -> list[str]:
    return [name.removesuffix(MASK) for name in tensors if name.endswith(MASK)]


def _packed(mask: Tensor) -> Tensor:
    """A boolean tensor row by row in bits, uint8 [entries / 8, rounded up]; the first entry is the highest bit."""
    return torch.from_numpy(np.packbits(mask.detach().cpu().numpy()))


def _unpacked(packed: Tensor, shapes: Mapping[str, torch.Size], name: str, path: Path) -> Tensor:
    shape = shapes.get(name)
    if shape is None or packed.dtype != torch.uint8 or len(packed) != -(-shape.numel() // 8):
        raise NetworkFileError(f"{path}: the mask of {name} does not fit the network")
    return torch.from_numpy(np.unpackbits(packed.numpy(), count=shape.numel()).astype(bool)).reshape(shape)
