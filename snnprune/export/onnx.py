"""One time step as ONNX: the input and every layer's membrane potentials in, output spikes and new potentials out.

The caller runs it T times, potentials 0 at first, and sums the spikes (of a network of the user's own: makes of its
outputs what `scores` in the metadata says). The weights are dense, zeros in place.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork
from snnprune.export.metadata import metadata
from snnprune.export.onnx_builder import OnnxGraph, package
from snnprune.export.onnx_graph import add_step
from snnprune.export.registry import Exported
from snnprune.export.scores import SCORES, WORDS, scored
from snnprune.export.sparse_layers import read_layers

FILE, METADATA = "step.onnx", "metadata"
OPSET = 17


def to_onnx(network: SpikingNetwork | AdaptedNetwork, classes: Sequence[str] = ()) -> Exported:
    """Inputs `input` [batch, ...] and states such as `potential_<n>`, outputs `spikes` [batch, classes] (`output`
    where they are none) and `next_<state>`; the batch may be of any size. Raises UserError: as
    `snnprune.export.sparse_layers.read_layers`, of a network of the user's own as
    `snnprune.export.onnx_graph.add_step`, or the package onnx is not installed."""
    helper, onnx = package("onnx.helper"), package("onnx")
    graph = OnnxGraph(helper, package("onnx.numpy_helper"))
    about = metadata(network, classes)
    if isinstance(network, AdaptedNetwork):
        about[SCORES] = add_step(graph, network)
    else:
        _add_layers(graph, network)
    model = helper.make_model(
        helper.make_graph(graph.nodes, "snn_step", graph.inputs, graph.outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="snnprune",
        ir_version=8,
    )
    helper.set_model_props(model, {METADATA: json.dumps(about)})
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    words = WORDS[about.get(SCORES, "sum")]
    note = f"one time step: the caller runs it T times; a class's score is the {words} of its first output"
    return Exported({FILE: content}, {"notes": [note]})


def run_onnx(folder: Path, inputs: Tensor) -> Tensor:
    """Scores [B, classes] by onnxruntime. Raises UserError: it is not installed."""
    runtime = package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(folder / FILE, options, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
    constant, values = about["encoding"]["name"] == "direct", inputs.detach().cpu().float().numpy()
    given, *states = session.get_inputs()
    batch = values.shape[0 if constant else 1]
    held = {state.name: np.zeros((batch, *state.shape[1:]), np.float32) for state in states}
    names, outputs = [session.get_outputs()[0].name, *map("next_{}".format, held)], []
    for step in range(about["timesteps"]):
        now = (values if constant else values[step]).reshape(batch, *given.shape[1:])
        output, *following = session.run(names, {given.name: now, **held})
        held = dict(zip(held, following, strict=True))
        outputs.append(torch.from_numpy(output))
    return scored(torch.stack(outputs), about.get(SCORES, "sum"))


def _add_layers(graph: OnnxGraph, network: SpikingNetwork) -> None:
    layers = read_layers(network)
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
            name = _neurons(graph, number, module, name, (layer.rows, *sides) if layer.y_step else (layer.rows,))
    graph.give("spikes", name, (layers[-1].rows,), first=True)


def _neurons(made: OnnxGraph, number: int, leaky: MultiStepLeaky, current: str, shape: Sequence[int]) -> str:
    """Leaky neurons of a layer: their spikes. The operations run in the order of `snnprune.core.lif`."""
    beta = made.constant(f"layers.{number}.beta", leaky.beta)
    threshold = made.constant(f"layers.{number}.threshold", leaky.threshold)
    before = made.take(f"potential_{number}", shape)
    fired = made.add("Cast", [made.add("Greater", [before, threshold])], to=1)
    decayed = made.add("Mul", [before, beta])
    if leaky.reset_mechanism == "zero":
        kept = made.add("Sub", [decayed, made.add("Mul", [decayed, fired])])
        potential = made.add("Add", [kept, current])
    else:
        driven = made.add("Add", [decayed, current])
        potential = made.add("Sub", [driven, made.add("Mul", [fired, threshold])])
    made.give(f"next_potential_{number}", potential, shape)
    return made.add("Cast", [made.add("Greater", [potential, threshold])], to=1)
