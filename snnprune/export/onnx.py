"""One time step as ONNX: the input and every layer's membrane potentials in, output spikes and new potentials out.

The caller runs it T times, potentials 0 at first, and sums the spikes. The weights are dense, zeros in place.
"""

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snnprune.core.errors import UserError
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork
from snnprune.export.metadata import metadata
from snnprune.export.registry import Exported
from snnprune.export.sparse_layers import read_layers

FILE, METADATA = "step.onnx", "metadata"
OPSET = 17
INSTALL = "is not installed; ONNX needs it: pip install 'snnprune[onnx]'"


def to_onnx(network: SpikingNetwork, classes: Sequence[str] = ()) -> Exported:
    """Inputs `input` [batch, ...] and `potential_<n>`, outputs `spikes` [batch, classes] and `next_potential_<n>`; the
    batch may be of any size. Raises UserError: as `snnprune.export.sparse_layers.read_layers`, or the package onnx is
    not installed."""
    helper, onnx = _package("onnx.helper"), _package("onnx")
    layers = read_layers(network)
    graph = _Graph(helper, _package("onnx.numpy_helper"))
    shape: tuple[int, ...] = network.spec.architecture.input_shape
    name = graph.take("input", shape)
    sizes = iter(layers)
    for number, module in enumerate(network.layers):
        if isinstance(module, nn.Flatten):
            name = graph.add("Flatten", [name])
        elif isinstance(module, nn.Linear):
            weight = [graph.constant(f"layers.{number}.weight", module.weight)]
            bias = [] if module.bias is None else [graph.constant(f"layers.{number}.bias", module.bias)]
            name = graph.add("Gemm", [name, *weight, *bias], transB=1)
        elif isinstance(module, nn.Conv2d):
            weight = [graph.constant(f"layers.{number}.weight", module.weight)]
            bias = [] if module.bias is None else [graph.constant(f"layers.{number}.bias", module.bias)]
            name = graph.add("Conv", [name, *weight, *bias], strides=list(module.stride))
        elif isinstance(module, nn.MaxPool2d):
            name = graph.add("MaxPool", [name], kernel_shape=[module.kernel_size] * 2, strides=[module.stride] * 2)
        elif isinstance(module, MultiStepLeaky):
            layer = next(sizes)
            sides = layer.height // layer.pool, layer.width // layer.pool
            name = graph.neurons(number, module, name, (layer.rows, *sides) if layer.y_step else (layer.rows,))
    graph.give("spikes", name, (layers[-1].rows,))
    model = helper.make_model(
        helper.make_graph(graph.nodes, "snn_step", graph.inputs, graph.outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="snnprune",
        ir_version=8,
    )
    helper.set_model_props(model, {METADATA: json.dumps(metadata(network, classes))})
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    return Exported({FILE: content}, {"notes": ["one time step: the caller runs it T times and sums the spikes"]})


def run_onnx(folder: Path, inputs: Tensor) -> Tensor:
    """Spike counts [B, classes] by onnxruntime. Raises UserError: it is not installed."""
    runtime = _package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(folder / FILE, options, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
    constant, values = about["encoding"]["name"] == "direct", inputs.detach().cpu().float().numpy()
    given, *states = session.get_inputs()
    batch = values.shape[0 if constant else 1]
    potentials = {state.name: np.zeros((batch, *state.shape[1:]), np.float32) for state in states}
    total = np.zeros((batch, len(about["classes"])), np.float32)
    for step in range(about["timesteps"]):
        now = (values if constant else values[step]).reshape(batch, *given.shape[1:])
        spikes, *following = session.run(None, {given.name: now, **potentials})
        potentials = dict(zip(potentials, following, strict=True))
        total += spikes
    return torch.from_numpy(total)


@dataclass
class _Graph:
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

    def give(self, name: str, value: str, shape: Sequence[int]) -> None:
        """A value as a further output; spikes come first."""
        self.nodes.append(self.helper.make_node("Identity", [value], [name]))
        self.outputs.insert(
            0 if name == "spikes" else len(self.outputs),
            self.helper.make_tensor_value_info(name, 1, ["batch", *shape]),
        )

    def constant(self, name: str, value: Tensor | float) -> str:
        """A tensor, float32."""
        array = torch.as_tensor(value).detach().cpu().float().numpy()
        self.constants.append(self.arrays.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """A node; the name of what it gives."""
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def neurons(self, number: int, leaky: MultiStepLeaky, current: str, shape: Sequence[int]) -> str:
        """Leaky neurons of a layer: their spikes. The operations run in the order of `snnprune.core.lif`."""
        beta = self.constant(f"layers.{number}.beta", leaky.beta)
        threshold = self.constant(f"layers.{number}.threshold", leaky.threshold)
        before = self.take(f"potential_{number}", shape)
        fired = self.add("Cast", [self.add("Greater", [before, threshold])], to=1)
        decayed = self.add("Mul", [before, beta])
        if leaky.reset_mechanism == "zero":
            kept = self.add("Sub", [decayed, self.add("Mul", [decayed, fired])])
            potential = self.add("Add", [kept, current])
        else:
            driven = self.add("Add", [decayed, current])
            potential = self.add("Sub", [driven, self.add("Mul", [fired, threshold])])
        self.give(f"next_potential_{number}", potential, shape)
        return self.add("Cast", [self.add("Greater", [potential, threshold])], to=1)


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"{name.partition('.')[0]} {INSTALL}") from error
