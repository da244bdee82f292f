"""Saves a network as safetensors together with the `model` block that rebuilds it."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from snnprune.core.errors import UserError
from snnprune.core.files import replace
from snnprune.snn.network import SpikingNetwork, build_network
from snnprune.snn.params import ModelParams


class NetworkFileError(UserError, ValueError):
    """A file holds no network, or is damaged."""


def copy_parameters(network: SpikingNetwork) -> dict[str, Tensor]:
    """A copy of all weights and biases, name -> tensor on the CPU."""
    return {name: parameter.detach().cpu().clone() for name, parameter in network.named_parameters()}


def load_parameters(network: SpikingNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Put `tensors` into the network's weights and biases.

    Raises:
        ValueError: names or shapes differ from the network's.
    """
    parameters = dict(network.named_parameters())
    found, expected = ({n: list(t.shape) for n, t in layers.items()} for layers in (tensors, parameters))
    if found != expected:
        raise ValueError(f"weights do not fit the network: found {found}, expected {expected}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])


def save_network(path: Path, network: SpikingNetwork) -> None:
    """Write weights and biases, and the spec as JSON in the header; byte-identical for equal networks."""
    metadata = {"model": network.spec.model_dump_json()}
    replace(path, lambda partial: save_file(copy_parameters(network), partial, metadata=metadata))


def load_network(path: Path) -> SpikingNetwork:
    """Rebuild a saved network, in evaluation mode, on the CPU.

    Raises:
        NetworkFileError: the file is damaged, or no network written by `save_network`.
        ValueError: its weights do not fit its spec.
    """
    try:
        with safe_open(path, framework="pt") as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (not iterable)
    except SafetensorError as error:
        raise NetworkFileError(f"{path}: damaged or not a safetensors file ({error})") from error
    if "model" not in metadata:
        raise NetworkFileError(f"{path}: no network in this file (its header has no 'model' entry)")
    network = build_network(ModelParams.model_validate_json(metadata["model"]))
    load_parameters(network, tensors)
    return network.eval()
