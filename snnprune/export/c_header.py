"""The text of the C header: `templates/snn.h` filled with a network's arrays, in float32 or in whole numbers."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from snnprune.export.csr import figures
from snnprune.export.neurons import IntegerNeurons
from snnprune.export.sparse_net import Border, SparseLayer, SparseNet, smallest_unsigned

TEMPLATES = Path(__file__).with_name("templates")
CONDITIONAL = re.compile(r"^@IF (\w+)@\n(.*?)^@END@\n", re.MULTILINE | re.DOTALL)
INTEGER_TYPES = {"bias": np.int32, "threshold": np.int32, "multiplier": np.int32, "shift": np.int8}

Arrays = dict[str, np.ndarray]


def header(net: SparseNet, about: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The header of a network, and figures of it; `about` is `snnprune.export.metadata.metadata`, and of whole numbers
    `integer` with the bits and the input's scale."""
    integer = about.get("integer")
    arrays = [_arrays(layer, net, 32 if integer is None else integer["bits"]) for layer in net.layers]
    flash = sum(array.nbytes for layer in arrays for array in layer.values())
    said = {"flash_bytes": flash, "ram_bytes": _ram(net), **figures(net)}
    parts = {
        "COMMENT": _comment(net, about, said),
        "DEFINES": _defines(net, about),
        "TYPES": _types(arrays, integer),
        "ARITHMETIC": _template("float.h" if integer is None else "integer.h"),
        "ARRAYS": "\n".join(definition(key, n, array) for n, each in enumerate(arrays) for key, array in each.items()),
        "LAYERS": "\n".join(f"    {_layer(n, net, each)}," for n, each in enumerate(arrays)),
    }
    return filled("snn.h", parts, _needed(net)), said


def filled(name: str, parts: Mapping[str, str], needed: Collection[str] = ()) -> str:
    """A template with its parts, and the function that runs a sample; of lines between `@IF KEY@` and `@END@` those
    whose key is needed."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    text = CONDITIONAL.sub(lambda found: found[2] if found[1] in needed else "", text)
    for key, part in {**parts, "CLASSIFY": _template("classify.h")}.items():
        text = text.replace(f"@{key}@", part)
    return text


def _needed(net: SparseNet) -> set[str]:
    """What some layers have and others have not, or have otherwise."""
    resets = {layer.neurons.to_zero for layer in net.layers}
    found = {"BORDERS": any(layer.border for layer in net.layers), "RESETS": len(resets) > 1}
    return {key for key, there in found.items() if there}


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8").rstrip("\n")


def _arrays(layer: SparseLayer, net: SparseNet, bits: int) -> Arrays:
    """A layer's constants that are not empty. Indices have one type in all layers; a constant of the neurons that is
    the same in all rows is there once."""
    synapses, inputs = max(len(each.values) for each in net.layers), max(each.places for each in net.layers)
    neurons = layer.neurons.arrays
    if isinstance(layer.neurons, IntegerNeurons):
        neurons = {key: array.astype(INTEGER_TYPES[key]) for key, array in neurons.items()}
    arrays = {
        "starts": layer.starts.astype(smallest_unsigned(synapses)),
        "columns": layer.columns.astype(smallest_unsigned(inputs - 1)),
        "weights": _in_nibbles(layer.values) if bits == 4 else layer.values,
        **{key: array[:1] if (array == array[:1]).all() else array for key, array in neurons.items()},
        "table": layer.table,
    }
    return {key: array for key, array in arrays.items() if array.size}


def _in_nibbles(values: np.ndarray) -> np.ndarray:
    """Values -7..7 plus 8, two in a byte, the first in the lower half."""
    halves = np.zeros(len(values) + len(values) % 2, np.uint8)
    halves[: len(values)] = values + 8
    return halves[::2] | halves[1::2] << 4


def _ram(net: SparseNet) -> int:
    """Bytes of potentials, two buffers of spikes, counts, what a layer reads with its border, and the first layer's
    current where it is kept."""
    neurons = [layer.rows * layer.area for layer in net.layers]
    kept = neurons[0] if net.constant else 0
    return (
        4 * sum(neurons) + 4 * kept + 2 * max(layer.outputs for layer in net.layers) + 2 * neurons[-1] + _bordered(net)
    )


def _bordered(net: SparseNet) -> int:
    """Values of the largest input with a border, a byte each."""
    return max((layer.places for layer in net.layers if layer.border), default=0)


def _comment(net: SparseNet, about: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    resets = ["zero" if layer.neurons.to_zero else "subtract" for layer in net.layers]
    reset = resets[0] if len(set(resets)) == 1 else f"{', '.join(resets)} (layer by layer)"
    lines = [
        f"time steps: {about['timesteps']}",
        f"input: {about['input']}",
        f"encoding: {about['encoding']['name']}",
        f"reset: {reset}, one step after the spike",
        f"read-out: the class of most spikes, the first of several; classes: {', '.join(about['classes'])}",
        f"flash: {said['flash_bytes']} bytes of constants, without code",
        f"RAM: {said['ram_bytes']} bytes, without the input",
        f"a sample: at most {said['synaptic_operations_at_most']} synaptic operations, {said['neuron_updates']} neuron "
        "updates",
    ]
    if integer := about.get("integer"):
        lines.append(
            f"arithmetic: whole numbers, weights of {integer['bits']} bits; an input of 1.0 is "
            f"{integer['input_levels']}, the largest is {integer['largest_input']}"
        )
    return "\n".join(f" * {line.replace('*/', '* /')}" for line in lines)


def _defines(net: SparseNet, about: Mapping[str, Any]) -> str:
    neurons = [layer.rows * layer.area for layer in net.layers]
    values = {
        "TIMESTEPS": net.timesteps,
        "CONSTANT_INPUT": int(net.constant),
        "INPUTS": net.layers[0].inputs,
        "LAYERS": len(net.layers),
        "CLASSES": net.layers[-1].outputs,
        "NEURONS": sum(neurons),
        "KEPT_CURRENTS": neurons[0] if net.constant else 0,
        "SPIKES": max(layer.outputs for layer in net.layers),
        "RESET_TO_ZERO": int(all(layer.neurons.to_zero for layer in net.layers)),
    }
    values |= {"BORDERED": _bordered(net)} if "BORDERS" in _needed(net) else {}
    if integer := about.get("integer"):
        values |= {"WEIGHT_BITS": integer["bits"], "INPUT_LEVELS": integer["input_levels"]}
        values |= {"LARGEST_INPUT": integer["largest_input"]}
    return "\n".join(f"#define SNN_{key} {value}" for key, value in values.items())


def _types(arrays: Sequence[Arrays], integer: Mapping[str, Any] | None) -> str:
    columns = next((layer["columns"].dtype for layer in arrays if "columns" in layer), np.dtype(np.uint8))
    types = {"place": f"{arrays[0]['starts'].dtype}_t", "column": f"{columns}_t"}
    if integer is None:
        types |= dict.fromkeys(("input", "weight", "number"), "float")
    else:
        types |= {"input": "uint8_t", "weight": "int8_t" if integer["bits"] == 8 else "uint8_t", "number": "int32_t"}
    return "\n".join(f"typedef {kind} snn_{name};" for name, kind in types.items())


def definition(key: str, number: int, array: np.ndarray) -> str:
    """Of an array of layer `number` in C."""
    kinds = {"starts": "snn_place", "columns": "snn_column", "weights": "snn_weight", "table": "uint8_t"}
    kind = kinds.get(key, "snn_number" if array.dtype.itemsize == 4 else f"{array.dtype}_t")
    values = _floats(array) if array.dtype.kind == "f" else map(str, array.ravel().tolist())
    return f"static const {kind} snn_{key}_{number}[{array.size}] = {{\n{_lines(values)}\n}};"


def _floats(array: np.ndarray) -> Iterable[str]:
    """Nine digits are enough to tell any float32 from all others."""
    for value in array.ravel().tolist():
        text = f"{value:.9g}"
        yield f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _lines(values: Iterable[str]) -> str:
    lines: list[list[str]] = [[]]
    width = 0
    for value in values:
        if width + len(value) > 110:
            lines.append([])
            width = 0
        lines[-1].append(value)
        width += len(value) + 2
    return ",\n".join(f"    {', '.join(line)}" for line in lines)


def _layer(number: int, net: SparseNet, arrays: Arrays) -> str:
    """The initialiser of an `snn_layer`."""
    layer, needed = net.layers[number], _needed(net)
    neurons = list(layer.neurons.arrays)
    pointers = {key: f"snn_{key}_{number}" for key in arrays}
    fields = {key: pointers.get(key, "NULL") for key in ("starts", "columns", "weights", "table", *neurons)}
    fields |= {f"{key}_each": int(len(arrays.get(key, ())) > 1) for key in neurons}
    names = ("rows", "tables", "height", "width", "y_step", "x_step", "pool")
    fields |= {name: getattr(layer, name) for name in names}
    if isinstance(layer.neurons, IntegerNeurons):
        fields["beta_shift"] = layer.neurons.beta_shift
    if "BORDERS" in needed:
        border = layer.border or Border(0, 0, 0, 0)
        fields |= {"in_channels": layer.channels, "in_height": border.height, "in_width": border.width}
        fields |= {"above": border.above, "beside": border.beside}
    if "RESETS" in needed:
        fields["to_zero"] = int(layer.neurons.to_zero)
    return f"{{{', '.join(f'.{key} = {value}' for key, value in fields.items())}}}"
