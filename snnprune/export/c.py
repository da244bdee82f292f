"""A C99 header with the network as constant arrays and static memory only, and a main that reads samples.

Sums run in the order of `snnprune.export.sparse_net`, bias first, as `read_csr.py` does; a compiler that follows C99
(`-std=c99`: no contraction into fused operations, no excess precision) gives the same spikes.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.export.csr import by_sample, figures, smallest_unsigned
from snnprune.export.metadata import metadata
from snnprune.export.registry import Exported
from snnprune.export.sparse_net import SparseLayer, SparseNet, sparse_net

HEADER, MAIN = "snn.h", "main.c"
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2")
TEMPLATES = Path(__file__).with_name("templates")
LAYER_FIELDS = ("starts", "columns", "weights", "bias", "beta", "threshold", "table")


def to_c(network: SpikingNetwork, classes: Sequence[str] = ()) -> Exported:
    """The network in float arithmetic. Raises UserError: as `sparse_net`."""
    net, about = sparse_net(network), metadata(network, classes)
    arrays = [_arrays(layer, net) for layer in net.layers]
    flash, ram = sum(array.nbytes for layer in arrays for array in layer.values()), _ram(net)
    said = {"flash_bytes": flash, "ram_bytes": ram, **figures(net)}
    header = (TEMPLATES / "snn.h").read_text(encoding="utf-8")
    for key, text in {
        "COMMENT": _comment(about, said),
        "DEFINES": _defines(net, network.spec.reset == "zero"),
        "TYPES": _types(arrays),
        "ARRAYS": "\n".join(_definition(key, n, arrays[n][key]) for n in range(len(arrays)) for key in arrays[n]),
        "LAYERS": "\n".join(f"    {_layer(n, net.layers[n], arrays[n])}," for n in range(len(arrays))),
    }.items():
        header = header.replace(f"@{key}@", text)
    files = {HEADER: header.encode(), MAIN: (TEMPLATES / MAIN).read_bytes()}
    notes = [
        "flash_bytes are those of the constant arrays, ram_bytes of the network's static arrays; code, a table of "
        "pointers and main.c's input come on top",
        f"build: cc {' '.join(FLAGS)} {MAIN} -o snn",
    ]
    return Exported(files, {**said, "notes": notes})


def run_c(folder: Path, inputs: Tensor) -> Tensor:
    """Spike counts [B, classes] of the compiled program. Raises UserError: there is no C compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise UserError("no C compiler found (cc, or the one that CC names)")
    constant = b"#define SNN_CONSTANT_INPUT 1\n" in (folder / HEADER).read_bytes()
    with tempfile.TemporaryDirectory() as place:
        program, samples = Path(place) / "snn", Path(place) / "samples"
        subprocess.run([compiler, *FLAGS, str(folder / MAIN), "-o", str(program)], check=True)
        by_sample(inputs, constant).tofile(samples)
        lines = subprocess.run([str(program), str(samples)], check=True, capture_output=True, text=True).stdout
    return torch.tensor([[int(count) for count in line.split(":")[1].split()] for line in lines.splitlines()])


def _arrays(layer: SparseLayer, net: SparseNet) -> dict[str, np.ndarray]:
    """A layer's constants that are not empty. Indices have one type in all layers; beta and threshold one value where
    all are equal."""
    synapses, inputs = max(len(each.values) for each in net.layers), max(each.inputs for each in net.layers)
    arrays = {
        "starts": layer.starts.astype(smallest_unsigned(synapses)),
        "columns": layer.columns.astype(smallest_unsigned(inputs - 1)),
        "weights": layer.values,
        "bias": layer.bias,
        "beta": layer.beta,
        "threshold": layer.threshold,
        "table": layer.table,
    }
    if len(np.unique(layer.beta)) == 1 == len(np.unique(layer.threshold)):
        arrays |= {key: arrays[key][:1] for key in ("beta", "threshold")}
    return {key: array for key, array in arrays.items() if array.size}


def _ram(net: SparseNet) -> int:
    """Bytes of potentials, two buffers of spikes, counts, and the first layer's current where it is kept."""
    neurons = [layer.rows * layer.area for layer in net.layers]
    kept = neurons[0] if net.constant else 0
    return 4 * sum(neurons) + 4 * kept + 2 * max(layer.outputs for layer in net.layers) + 2 * neurons[-1]


def _comment(about: dict, said: dict) -> str:
    lines = [
        f"timesteps: {about['timesteps']}",
        f"encoding: {about['encoding']['name']}",
        f"reset: {about['reset']}, one step after the spike",
        f"readout: the class of most spikes, the first of several; classes: {', '.join(about['classes'])}",
        f"flash: {said['flash_bytes']} bytes of constants, without code",
        f"RAM: {said['ram_bytes']} bytes, without the input",
        f"a sample: at most {said['synaptic_operations_at_most']} synaptic operations, {said['neuron_updates']} neuron "
        "updates",
    ]
    return "\n".join(f" * {line.replace('*/', '* /')}" for line in lines)


def _defines(net: SparseNet, to_zero: bool) -> str:
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
        "RESET_TO_ZERO": int(to_zero),
    }
    return "\n".join(f"#define SNN_{key} {value}" for key, value in values.items())


def _types(arrays: Sequence[dict[str, np.ndarray]]) -> str:
    columns = next((layer["columns"].dtype for layer in arrays if "columns" in layer), np.dtype(np.uint8))
    return f"typedef {arrays[0]['starts'].dtype}_t snn_place;\ntypedef {columns}_t snn_column;"


def _definition(key: str, number: int, array: np.ndarray) -> str:
    kinds = {"starts": "snn_place", "columns": "snn_column", "table": "uint8_t"}
    values = _floats(array) if array.dtype.kind == "f" else map(str, array.ravel().tolist())
    return f"static const {kinds.get(key, 'float')} snn_{key}_{number}[{array.size}] = {{\n{_lines(values)}\n}};"


def _floats(array: np.ndarray) -> Iterable[str]:
    """Nine digits are enough to tell any float32 from all others."""
    for value in array.ravel().tolist():
        text = f"{value:.9g}"
        yield f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _lines(values: Iterable[str]) -> str:
    lines, width = [[]], 0
    for value in values:
        if width + len(value) > 110:
            lines.append([])
            width = 0
        lines[-1].append(value)
        width += len(value) + 2
    return ",\n".join(f"    {', '.join(line)}" for line in lines)


def _layer(number: int, layer: SparseLayer, arrays: dict[str, np.ndarray]) -> str:
    pointers = [f"snn_{key}_{number}" if key in arrays else "NULL" for key in LAYER_FIELDS]
    each = int(len(arrays.get("beta", ())) > 1)
    sizes = layer.rows, layer.tables, layer.height, layer.width, layer.y_step, layer.x_step, layer.pool, each
    return f"{{{', '.join([*pointers, *map(str, sizes)])}}}"
