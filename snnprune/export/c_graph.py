"""The text of the C header of a network that is no plain sequence: `templates/graph.h` filled with its arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from snnprune.adapters.step_graph import INPUT
from snnprune.adapters.step_neurons import StepNeurons
from snnprune.export.c_header import definition, filled
from snnprune.export.flat_net import FlatNet, FlatNode
from snnprune.export.scores import WORDS
from snnprune.export.sparse_net import smallest_unsigned
from snnprune.export.taps import Layout, Taps

Arrays = dict[str, np.ndarray]
CONSTANTS = ("alpha", "beta", "threshold")
GEOMETRY = ("channels", "height", "width", "top", "left", "padded_height", "padded_width")


def graph_header(net: FlatNet, about: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The header of a network, and figures of it; `about` is `snnprune.export.metadata.metadata`."""
    arrays = [_arrays(node, net) for node in net.nodes]
    places, values = _places(net)
    reads = [[places[source] for source in node.reads] for node in net.nodes]
    states = [node.size * (1 + (node.what.alpha is not None)) if _fires(node) else 0 for node in net.nodes]
    laid = [_layout(node).size for node in net.nodes if len(node.reads) > 1 or _layout(node).has_border]
    ram = 4 * (values + sum(states) + max(laid, default=1) + net.classes)
    flash = sum(array.nbytes for each in arrays for array in each.values())
    said = {"flash_bytes": flash, "ram_bytes": ram, **net.figures}
    nodes = []
    for number, node in enumerate(net.nodes):
        fields = {"reads": sum(map(len, reads[:number])), "read": len(node.reads), "at": places[node.name]}
        fields |= {"size": node.size, "state": sum(states[:number]), "constant": int(node.constant)}
        nodes.append(f"    {_node(number, node, arrays[number], fields)}, /* {node.name.replace('*/', '')} */")
    parts = {
        "COMMENT": _comment(net, about, said),
        "DEFINES": _defines(net, values, max(sum(states), 1), max(laid, default=1), sum(map(len, reads))),
        "TYPES": _types(arrays),
        "ARRAYS": "\n".join(definition(key, n, array) for n, each in enumerate(arrays) for key, array in each.items()),
        "READS": "\n".join(f"    {', '.join(map(str, each))}," for each in [*reads, [places[n] for n in net.output]]),
        "NODES": "\n".join(nodes),
    }
    return filled("graph.h", parts), said


def _fires(node: FlatNode) -> bool:
    return isinstance(node.what, StepNeurons)


def _layout(node: FlatNode) -> Layout:
    return node.what.layout if isinstance(node.what, Taps) else Layout.of((node.size,))


def _places(net: FlatNet) -> tuple[dict[str, int], int]:
    """Where each node's values begin, the input's at 0, and how many there are."""
    places, end = {INPUT: 0}, net.inputs
    for node in net.nodes:
        places[node.name] = end
        end += node.size
    return places, end


def _arrays(node: FlatNode, net: FlatNet) -> Arrays:
    """A node's constants that are not empty. Places of taps have one type in all nodes."""
    what = node.what
    if isinstance(what, StepNeurons):
        found = {key: getattr(what, key) for key in CONSTANTS}
        return {key: array.ravel() for key, array in found.items() if array is not None}
    taps = [each.what for each in net.nodes if isinstance(each.what, Taps)]
    arrays = {
        "starts": what.starts.astype(smallest_unsigned(max(len(each.columns) for each in taps))),
        "columns": what.columns.astype(smallest_unsigned(max(each.layout.size for each in taps))),
        "weights": what.values,
        "bias": what.bias,
    }
    return {key: array for key, array in arrays.items() if array.size and not (key == "bias" and what.highest)}


def _node(number: int, node: FlatNode, arrays: Arrays, fields: dict[str, int]) -> str:
    """The initialiser of an `snn_node`."""
    what, layout = node.what, _layout(node)
    pointers = {
        key: f"snn_{key}_{number}" if key in arrays else "NULL" for key in ("starts", "columns", "weights", "bias")
    }
    pointers |= {key: f"snn_{key}_{number}" if key in arrays else "NULL" for key in CONSTANTS}
    fields |= {key: getattr(layout, key) for key in GEOMETRY}
    if isinstance(what, Taps):
        fields |= {"rows": what.rows, "out_height": what.height, "out_width": what.width}
        fields |= {"y_step": what.y_step, "x_step": what.x_step}
        kind = {"kind": "SNN_HIGHEST" if what.highest else "SNN_SUM"}
    else:
        fields |= {f"{key}_each": int(arrays[key].size > 1) for key in CONSTANTS if key in arrays}
        fields |= {"delayed": int(what.delayed), "gives_potential": int(what.gives == "potential")}
        kind = {"kind": "SNN_NEURONS", "reset": f"SNN_{what.reset.upper()}"}
    return f"{{{', '.join(f'.{key} = {value}' for key, value in {**kind, **pointers, **fields}.items())}}}"


def _output(node: FlatNode) -> str:
    what = node.what
    kind = "values" if isinstance(what, Taps) else "membrane potentials" if what.gives == "potential" else "spikes"
    return f"{kind} of {node.name}"


def _comment(net: FlatNet, about: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    lines = [
        f"time steps: {about['timesteps']}",
        f"input: {about['input']}",
        f"encoding: {about['encoding']['name']}",
        f"read-out: the class of the highest score, the first of several; a score is the output's {WORDS[net.scores]}",
        f"output: {', '.join(_output(node) for node in net.nodes if node.name in net.output)}; classes: "
        f"{', '.join(about['classes'])}",
        f"flash: {said['flash_bytes']} bytes of constants, without code",
        f"RAM: {said['ram_bytes']} bytes, without main.c's input",
        f"a sample: at most {said['synaptic_operations_at_most']} synaptic operations, {said['neuron_updates']} neuron "
        "updates",
    ]
    return "\n".join(f" * {line.replace('*/', '* /')}" for line in lines)


def _defines(net: FlatNet, values: int, states: int, laid: int, output: int) -> str:
    found = {
        "TIMESTEPS": net.timesteps,
        "CONSTANT_INPUT": int(net.constant),
        "INPUTS": net.inputs,
        "CLASSES": net.classes,
        "NODES": len(net.nodes),
        "VALUES": values,
        "STATES": states,
        "LAID": laid,
        "OUTPUT": output,
        "LAST_STEP_ALONE": int(net.scores == "last"),
        "DIVISOR": net.timesteps if net.scores == "mean" else 1,
    }
    return "\n".join(f"#define SNN_{key} {value}" for key, value in found.items())


def _types(arrays: list[Arrays]) -> str:
    types = {"input": "float", "number": "float", "weight": "float"}
    for kind, key in (("place", "starts"), ("column", "columns")):
        types[kind] = next((f"{each[key].dtype}_t" for each in arrays if key in each), "uint8_t")
    return "\n".join(f"typedef {kind} snn_{name};" for name, kind in types.items())
