"""Puts an ONNX graph together, node by node."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snnprune.core.errors import UserError

INSTALL = "is not installed; ONNX needs it: pip install 'snnprune[onnx]'"


@dataclass
class OnnxGraph:
    """Nodes, constants, inputs and outputs as they are added; each node's output has a name of its own."""

    helper: Any
    arrays: Any
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)

    def take(self, name: str, shape: Sequence[int]) -> str:
        """A further input [batch, ...]."""
        self.inputs.append(self.helper.make_tensor_value_info(name, 1, ["batch", *shape]))
        return name

    def give(self, name: str, value: str, shape: Sequence[int], *, first: bool = False) -> None:
        """A value as a further output, the last or the first one."""
        self.nodes.append(self.helper.make_node("Identity", [value], [name]))
        self.outputs.insert(
            0 if first else len(self.outputs), self.helper.make_tensor_value_info(name, 1, ["batch", *shape])
        )

    def constant(self, name: str, value: Tensor | float) -> str:
        """A tensor, float32."""
        array = torch.as_tensor(value).detach().cpu().float().numpy()
        self.constants.append(self.arrays.from_array(np.ascontiguousarray(array), name))
        return name

    def whole(self, name: str, values: Sequence[int]) -> str:
        """Whole numbers, int64."""
        self.constants.append(self.arrays.from_array(np.array(values, np.int64), name))
        return name

    def add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """A node; the name of what it gives."""
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, list(inputs), [name], **attributes))
        return name


def package(name: str) -> Any:
    """A module of onnx or onnxruntime. Raises UserError: it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"{name.partition('.')[0]} {INSTALL}") from error
