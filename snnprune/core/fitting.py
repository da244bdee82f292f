"""What a network takes: data of its shape, classes, device and type."""

from typing import Any

import torch
from torch import nn

from snnprune.core.dataset import Data, Split, as_split
from snnprune.core.errors import DataError, NotFiniteError, UserError
from snnprune.core.params import ModelParams


def require_network(network: Any) -> None:
    """Raises UserError: it is none of the library's networks, such as what `prune` or `adapt` return."""
    if isinstance(network, nn.Module) and hasattr(network, "spec"):
        return
    found = type(network).__name__
    if isinstance(getattr(network, "network", None), nn.Module):
        raise UserError(f"network: found {found}; give its `.network`")
    hint = "; `adapt` takes a module of your own" if isinstance(network, nn.Module) else ""
    raise UserError(
        f"network: expected one of build, load or train, or the `.network` of adapt or prune; found {found}{hint}"
    )


def kind_of(network: nn.Module) -> torch.dtype:
    """The type of its parameters, and so of its input: float32 or float64."""
    return next((parameter.dtype for parameter in network.parameters()), torch.float32)


def require_finite(network: nn.Module) -> None:
    """Raises NotFiniteError: a weight is NaN or infinite, or another number of its state NaN. Membranes of NaN never
    spike, so nothing else would show it."""
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            weights = dict(network.named_parameters())
            if wrong := int((~tensor.isfinite() if name in weights else tensor.isnan()).sum()):
                raise NotFiniteError(f"network: {name}: {wrong} of {tensor.numel()} numbers are NaN or infinite")


def fitting(network: nn.Module, data: Data) -> Split:
    """The data on the network's device and of its type. Raises UserError: as `require_network`. Raises NotFiniteError:
    as `require_finite`. Raises DataError: as `as_split`, or the data do not fit the network's input or classes."""
    require_network(network)
    require_finite(network)
    split, spec = as_split(data, kind_of(network)), network.spec
    classes = spec.architecture.classes if isinstance(spec, ModelParams) else spec.classes
    shape = tuple(split.images.shape[1:])
    if not spec.takes(shape):
        raise DataError(f"images: the network takes {list(spec.sample_shape)} a sample; found {list(shape)}")
    low, high = int(split.labels.min()), int(split.labels.max())
    if low < 0 or high >= classes:
        raise DataError(f"labels: the network has the classes 0 to {classes - 1}; found {low} to {high}")
    return split.to(next(network.parameters(), split.images).device)
