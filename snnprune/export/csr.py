"""Compressed sparse rows in one .npz, the same as safetensors, and a reader in numpy alone (`read_csr.py`).

Of every layer n, in the order of the network: `n.indptr` [rows + 1], `n.indices` and `n.values` [synapses], `n.bias`,
`n.beta`, `n.threshold` [rows], `n.table` [further rows, T] (spikes that no input changes), `n.geometry` (height, width,
y_step, x_step, pool). `snnprune.export.sparse_net` says how they are computed with; `metadata` is JSON.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import safetensors.numpy
import torch
from torch import Tensor

from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.network import SpikingNetwork
from snnprune.export import read_csr, read_csr_graph
from snnprune.export.csr_graph import arrays_of, nodes_of
from snnprune.export.flat_net import flat_net
from snnprune.export.metadata import metadata
from snnprune.export.registry import Exported
from snnprune.export.sparse_layers import of_network
from snnprune.export.sparse_net import SparseLayer, SparseNet, smallest_unsigned

NPZ, SAFETENSORS, READER = "net.npz", "net.safetensors", "read_csr.py"


def to_csr(network: SpikingNetwork | AdaptedNetwork, classes: Sequence[str] = ()) -> Exported:
    """The synapses that are left, row by row. Raises UserError: as `snnprune.export.sparse_layers.read_layers`, and, of
    a network of the user's own, `snnprune.export.flat_net.flat_net`."""
    about = metadata(network, classes)
    if isinstance(network, AdaptedNetwork):
        graph = flat_net(network)
        return _exported(arrays_of(graph), about | nodes_of(graph), graph.figures, read_csr_graph)
    net = of_network(network)
    arrays = {f"{n}.{name}": array for n, layer in enumerate(net.layers) for name, array in _arrays(layer).items()}
    return _exported(arrays, about | {"layers": [layer.name for layer in net.layers]}, figures(net), read_csr)


def _exported(arrays: dict[str, np.ndarray], about: dict, figures: dict, reader: ModuleType) -> Exported:
    text = json.dumps(about)
    files = {
        NPZ: _npz({"metadata": np.array(text), **arrays}),
        SAFETENSORS: safetensors.numpy.save(arrays, {"metadata": text}),
        READER: Path(reader.__file__).read_bytes(),
    }
    held = sum(array.nbytes for name, array in arrays.items() if not name.endswith(("geometry", "layout")))
    return Exported(files, {"array_bytes": held, **figures})


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """As np.savez writes it, but the same bytes by every version of Python, whose zipfile writes streams in its own
    ways."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), entry.getvalue())
    return stream.getvalue()


def run_csr(folder: Path, inputs: Tensor) -> Tensor:
    """Scores [B, classes] by `read_csr.py`."""
    with np.load(folder / NPZ) as arrays:
        net = dict(arrays)
    about = json.loads(str(net["metadata"]))
    reader = read_csr_graph if "nodes" in about else read_csr
    return torch.from_numpy(reader.counts(net, by_sample(inputs, about["encoding"]["name"] == "direct")))


def by_sample(inputs: Tensor, constant: bool) -> np.ndarray:
    """Inputs [T, B, ...], or constant ones [B, ...], as float32 [B, T, inputs] or [B, inputs]."""
    values = inputs.detach().cpu().float()
    return values.flatten(1).numpy() if constant else values.flatten(2).transpose(0, 1).contiguous().numpy()


def figures(net: SparseNet) -> dict[str, int | list[str]]:
    """What CSR and C exports say of a network."""
    tables = sum(layer.tables for layer in net.layers)
    return {
        "synapses": sum(len(layer.values) for layer in net.layers),
        "neurons": sum(layer.rows * layer.area for layer in net.layers),
        "rows_as_tables": tables,
        "synaptic_operations_at_most": net.operations,
        "neuron_updates": net.updates,
    }


def _arrays(layer: SparseLayer) -> dict[str, np.ndarray]:
    geometry = layer.height, layer.width, layer.y_step, layer.x_step, layer.pool
    return {
        "indptr": layer.starts.astype(np.uint32),
        "indices": layer.columns.astype(smallest_unsigned(layer.inputs - 1)),
        "values": layer.values,
        **layer.neurons.arrays,
        "table": layer.table,
        "geometry": np.array(geometry, np.uint32),
    }
