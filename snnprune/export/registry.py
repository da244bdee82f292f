"""The targets that a network can be exported to, by name.

A target is functions of a module,

to_<target>(network, classes)   what is written, as `Exported`; it reads the network, touches no file, and gives the
                                same bytes for the same network. UserError: the network has what the target cannot
                                express.
run_<target>(folder, inputs)    scores [B, classes] (spike counts, or what else the network's read-out is) of what was
                                written into `folder`, by other means than the network where there are such. `inputs`
                                are what enters the first layer (`snnprune.core.encoding.encode`): [B, ...] where they
                                are the same at every step, else [T, B, ...]. UserError: what it takes is not installed.

and, where readers elsewhere may take the same files for another network, a third:

run_<target>_elsewhere(folder, inputs)      scores as they have them.

`classes` are the names of the classes, by label. Packages beyond snnprune's own are imported inside the functions.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from snnprune.core.errors import UserError

if TYPE_CHECKING:  # the names of the targets are read where torch is not needed
    from torch import Tensor

    from snnprune.adapters.network import AdaptedNetwork
    from snnprune.core.network import SpikingNetwork

TARGETS: Mapping[str, str] = MappingProxyType(
    {
        "state-dict": "Weights by name, zeros in place, for torch (.pt) and safetensors.",
        "compact": "A smaller network of this library, without neurons that cannot matter.",
        "csr": "Compressed sparse rows in .npz and safetensors, with a reader in numpy alone.",
        "c": "A C99 header and a small main, static memory only, float32.",
        "c-int8": "The same in whole numbers: weights of 8 bits, rounded after training.",
        "c-int4": "The same with weights of 4 bits.",
        "onnx": "One time step with states in and out.",
        "nir": "The Neuromorphic Intermediate Representation, for simulators and chips.",
    }
)
WHOLE_NUMBERS = {"c-int8": 8, "c-int4": 4}  # bits of a weight
MODULES = dict.fromkeys(WHOLE_NUMBERS, "c")  # where it is not the target's name


@dataclass(frozen=True)
class Exported:
    """What an export writes, file name -> content, and what there is to say of it: figures (`bytes`, ...) with the unit
    in their name, and sentences under `notes`. network: its `snnprune.export.metadata.metadata`, where they are other
    than the network's own, as in whole numbers, whose weights normalise the input."""

    files: Mapping[str, bytes]
    about: Mapping[str, Any]
    network: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Target:
    """The functions of a target, as described at the top of this file."""

    name: str
    export: "Callable[[SpikingNetwork | AdaptedNetwork, Sequence[str]], Exported]"
    run: "Callable[[Path, Tensor], Tensor]"
    run_elsewhere: "Callable[[Path, Tensor], Tensor] | None" = None


def load_target(name: str) -> Target:
    """Import one target. Raises UserError: there is no such target; the message lists those there are."""
    if name not in TARGETS:
        raise UserError(f"unknown target {name!r}; available are: {', '.join(TARGETS)}")
    stem = name.replace("-", "_")
    module = importlib.import_module(f"snnprune.export.{MODULES.get(name, stem)}")
    elsewhere = getattr(module, f"run_{stem}_elsewhere", None)
    return Target(name, getattr(module, f"to_{stem}"), getattr(module, f"run_{stem}"), elsewhere)
