"""Saves a network as safetensors together with what rebuilds it, the `model` block; a pruned one sparse. The tensors of
a network of the user's own have the names in the user's state dict."""

import dataclasses
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from snnprune.core.errors import NotFiniteError, UserError
from snnprune.core.files import replace
from snnprune.core.network import Origin, SpikingNetwork, build_network
from snnprune.core.own_model import Normalize
from snnprune.core.params import ModelParams

if TYPE_CHECKING:
    from snnprune.adapters.network import AdaptedNetwork

    Network = SpikingNetwork | AdaptedNetwork

MASK, KEPT = ".mask", ".kept"  # endings of the two tensors of a weight that is stored sparse
MODEL, PLAIN, OWN = "model", "plain", "own"  # keys of the header: a network of the library's, of a user's, its forward
ADAPTERS = "snnprune.adapters.stored"  # imported by name: only who reads such a net depends on it

Masks = Mapping[str, Tensor]


class NetworkFileError(UserError, ValueError):
    """A file holds no network, or is damaged."""


def copy_parameters(network: "Network") -> dict[str, Tensor]:
    """A copy of all weights and biases, name -> tensor on the CPU; of a network that runs the user's own forward of its
    whole state, for training changes buffers, too (BatchNorm)."""
    return {name: tensor.detach().cpu().clone() for name, tensor in trained_state(network).items()}


def load_parameters(network: "Network", tensors: Mapping[str, Tensor]) -> None:
    """Put what `copy_parameters` took into the network. Raises ValueError: names or shapes differ from the
    network's."""
    parameters = trained_state(network)
    found, expected = ({n: list(t.shape) for n, t in layers.items()} for layers in (tensors, parameters))
    if found != expected:
        raise ValueError(f"weights do not fit the network: found {found}, expected {expected}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])


def own_state(network: "Network") -> dict[str, Tensor]:
    """The state dict of a user's network by its own names, which loads with strict=True; of one of the library's own
    its weights and biases."""
    tensors = {network.names.get(name, name): tensor for name, tensor in copy_parameters(network).items()}
    rest = getattr(network, "origin", None)
    return tensors | ({name: tensor.clone() for name, tensor in rest.rest.items()} if rest else {})


def save_network(path: Path, network: "Network", mask: Masks | None = None) -> None:
    """Write weights and biases, and the spec as JSON in the header; byte-identical for equal networks and masks.

    A weight that `mask` names (name -> boolean tensor of the weight's shape, True = kept) is stored sparse: its mask in
    bits as `<name>.mask`, its kept values row by row as `<name>.kept`. Everything else is stored whole. Raises
    ValueError: a mask does not fit the network, or a pruned weight is not zero. Raises NotFiniteError: a weight is NaN
    or infinite. Raises UserError: the network runs a forward that no file holds.
    """
    tensors = own_state(network)
    header = (
        network.header if isinstance(network, SpikingNetwork) else importlib.import_module(ADAPTERS).header(network)
    )
    if wrong := _not_finite(tensors):
        raise NotFiniteError(f"{path}: not written, as values of {wrong} are NaN or infinite")
    for own, layer in (mask or {}).items():
        name = network.names.get(own, own)
        if name not in tensors or tensors[name].shape != layer.shape:
            raise ValueError(f"mask of {name}, {list(layer.shape)}: the network has no weight of this name and shape")
        weight, kept = tensors.pop(name), layer.detach().cpu()
        if weight[~kept].any():
            raise ValueError(f"{name}: {int(weight[~kept].count_nonzero())} weights outside the mask are not zero")
        tensors |= {name + MASK: _packed(kept), name + KEPT: weight[kept]}
    replace(path, lambda partial: save_file(tensors, partial, metadata=header))


def load_network(path: Path) -> "Network":
    """Rebuild a saved network, in evaluation mode, on the CPU, of the type it was saved with (float32 or float64);
    pruned weights are 0. One that runs the user's own forward is built by the file that it came from. Raises
    NetworkFileError: the file is damaged, or no network written by `save_network`, or its weights do not fit its spec
    or are not finite. Raises UserError: the user's file is missing, or another than it was."""
    network, tensors = _read(path)
    shapes = _shapes(network)
    for name in _masked(tensors, shapes):
        kept = _unpacked(tensors.pop(name + MASK), shapes, name, path)
        values = tensors.pop(name + KEPT, None)
        if values is None or len(values) != kept.count_nonzero():
            raise NetworkFileError(f"{path}: {name} has not one value for each synapse that its mask keeps")
        tensors[name] = torch.zeros(shapes[name], dtype=values.dtype).masked_scatter_(kept, values)
    if wrong := _not_finite(tensors):
        raise NetworkFileError(f"{path}: values of {wrong} are NaN or infinite")
    if any(tensors[name].dtype == torch.float64 for name in shapes if name in tensors):
        network.double()
    try:
        load_parameters(network, tensors)
    except ValueError as error:
        raise NetworkFileError(f"{path}: {error}") from error
    return network.eval()


def load_mask(path: Path) -> dict[str, Tensor]:
    """The mask that a network was saved with: weight -> boolean tensor; empty when it was saved without one. Raises
    NetworkFileError: see `load_network`."""
    network, tensors = _read(path)
    shapes = _shapes(network)
    return {name: _unpacked(tensors[name + MASK], shapes, name, path) for name in _masked(tensors, shapes)}


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


def _read(path: Path) -> tuple["Network", dict[str, Tensor]]:
    """A network as a file's header says, with weights that mean nothing yet, and the file's tensors by its names."""
    metadata, tensors = _tensors(path)
    network = _built(metadata, path)
    ours = {theirs + ending: own + ending for own, theirs in network.names.items() for ending in ("", MASK, KEPT)}
    if PLAIN in metadata:
        rest = {name: tensors.pop(name) for name in [*tensors] if name not in ours}
        network.origin = dataclasses.replace(network.origin, rest=rest)
    return network, {ours.get(name, name): tensor for name, tensor in tensors.items()}


def _built(metadata: Mapping[str, str], path: Path) -> "Network":
    if OWN in metadata:
        return importlib.import_module(ADAPTERS).rebuild(metadata[OWN], path)
    if not {MODEL, PLAIN} & metadata.keys():
        raise NetworkFileError(f"{path}: no network in this file (its header has no 'model' entry)")
    try:
        if MODEL in metadata:
            return build_network(ModelParams.model_validate_json(metadata[MODEL]))
        plain = json.loads(metadata[PLAIN])
        network = build_network(ModelParams.model_validate(plain["model"]))
        done = plain.get("normalize")
        network.origin = Origin(dict(plain["names"]), {}, None if done is None else Normalize(**done))
    except (ValueError, KeyError, TypeError) as error:
        raise NetworkFileError(f"{path}: its model is none that this version allows: {error}") from error
    return network


def trained_state(network: nn.Module) -> dict[str, Tensor]:
    """What training may change: parameters and, of a user's own forward, the buffers of its state dict, not copied."""
    if isinstance(network, SpikingNetwork):
        return dict(network.named_parameters())
    stored = network.state_dict()
    buffers = {name: buffer for name, buffer in network.named_buffers(remove_duplicate=False) if name in stored}
    return {**dict(network.named_parameters(remove_duplicate=False)), **buffers}


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


def _masked(tensors: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> list[str]:
    """The weights that are stored sparse; a user's own buffer may be called `mask`, too."""
    return [name for name in shapes if name + MASK in tensors]


def _packed(mask: Tensor) -> Tensor:
    """A boolean tensor row by row in bits, uint8 [entries / 8, rounded up]; the first entry is the highest bit."""
    return torch.from_numpy(np.packbits(mask.detach().cpu().numpy()))


def _unpacked(packed: Tensor, shapes: Mapping[str, torch.Size], name: str, path: Path) -> Tensor:
    shape = shapes.get(name)
    if shape is None or packed.dtype != torch.uint8 or len(packed) != -(-shape.numel() // 8):
        raise NetworkFileError(f"{path}: the mask of {name} does not fit the network")
    return torch.from_numpy(np.unpackbits(packed.numpy(), count=shape.numel()).astype(bool)).reshape(shape)
