"""Other people's checkpoints: where in a file the network's state is, and whether it fits the network."""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from snnprune.adapters.neurons import neurons_of, reset_of
from snnprune.core.errors import UserError

PREFIXES = ("module.", "_orig_mod.")  # of DataParallel, and of torch.compile
NEWER = ("graded_spikes_factor", "reset_mechanism_val")  # in snnTorch's states only since some version; constants
RESETS = ("subtract", "zero", "none")  # as snnTorch numbers them
State = dict[str, Tensor]


def load_checkpoint(net: nn.Module, path: Path) -> None:
    """Load the state in a file into `net`. The file is safetensors, or one of torch.save with tensors and plain values
    (nothing else is unpickled), from any device. The state is the whole file, or lies in it under any keys
    (`model_state_dict`, ...); of several the one that fits best is taken.

    Raises UserError: no such file, or damaged, or no state in it; names that are missing or unexpected, or shapes that
    differ, all listed; values that are not finite; or neurons saved with another reset than `net` has.
    """
    expected = net.state_dict()
    state = _fitting(_read(path), expected, path)
    missing = [name for name in expected if name not in state and name.rpartition(".")[2] not in NEWER]
    unexpected = [name for name in state if name not in expected]
    shaped = [
        f"{name} {list(state[name].shape)}, in the network {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", shaped))
    if problems := [f"{kind}: {', '.join(names)}" for kind, names in kinds if names]:
        raise UserError(f"{path}: does not fit the network; {'; '.join(problems)}")
    if wrong := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise UserError(f"{path}: values of {', '.join(wrong)} are NaN or infinite")
    for name, neuron in neurons_of(net).items():
        saved = state.get(f"{name}.reset_mechanism_val")
        if saved is not None and RESETS[int(saved)] != reset_of(neuron):
            raise UserError(
                f"{path}: {name} was saved with reset {RESETS[int(saved)]}, the network has {reset_of(neuron)}; "
                "correct the reset_mechanism of one of them"
            )
    net.load_state_dict(state, strict=False)


def _read(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise UserError(
            f"{path}: holds more than tensors and plain values, such as a whole pickled network, or is damaged; only "
            "those are read: save the network's state_dict()"
        ) from error
    except (SafetensorError, BadZipFile, RuntimeError, EOFError, ValueError, struct.error) as error:
        raise UserError(f"{path}: damaged, or no checkpoint") from error


def _fitting(content: Any, expected: Mapping[str, Tensor], path: Path) -> State:
    """Of all states in a file's content the one with the most of the expected names, its names without prefixes."""
    states = [_without_prefixes(state) for state in _states(content)]
    if not states:
        raise UserError(f"{path}: found no state dict in it, a mapping of names to tensors")
    return max(states, key=lambda state: len(state.keys() & expected.keys()))


def _states(content: Any) -> Iterator[State]:
    if not isinstance(content, Mapping):
        return
    if content and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()):
        yield dict(content)
    for value in content.values():
        yield from _states(value)


def _without_prefixes(state: State) -> State:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state
