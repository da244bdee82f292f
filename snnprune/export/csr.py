"""Compressed sparse rows in one .npz, the same as safetensors, and a reader in numpy alone (`read_csr.py`).

Of every layer n, in the order of the network: `n.indptr` [rows + 1], `n.indices` and `n.values` [synapses], `n.bias`,
`n.beta`, `n.threshold` [rows], `n.table` [further rows, T] (spikes that no input changes), `n.geometry` (height, width,
y_step, x_step, pool). `snnprune.export.sparse_net` says how they are computed with; `metadata` is JSON.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from torch import Tensor

from snnprune.core.network import SpikingNetwork
from snnprune.export import read_csr
from snnprune.export.metadata import metadata
from snnprune.export.registry import Exported
from snnprune.export.sparse_layers import of_network
from snnprune.export.sparse_net import SparseLayer, SparseNet

NPZ, SAFETENSORS, READER = "net.npz", "net.safetensors", "read_csr.py"


def to_csr(network: SpikingNetwork, classes: Sequence[str] = ()) -> Exported:
    """The synapses that are left, row by row. Raises UserError: as `snnprune.export.sparse_layers.read_layers`."""
    net = of_network(network)
    arrays = {f"{n}.{name}": array for n, layer in enumerate(net.layers) for name, array in _arrays(layer).items()}
    about = json.dumps(metadata(network, classes) | {"layers": [layer.name for layer in net.layers]})
    stream = io.BytesIO()
    np.savez(stream, metadata=np.array(about), **arrays)
    files = {
        NPZ: stream.getvalue(),
        SAFETENSORS: safetensors.numpy.save(arrays, {"metadata": about}),
        READER: Path(read_csr.__file__).read_bytes(),
    }
    held = sum(array.nbytes for name, array in arrays.items() if not name.endswith("geometry"))
    return Exported(files, {"array_bytes": held, **figures(net)})


def run_csr(folder: Path, inputs: Tensor) -> Tensor:
    """Spike counts [B, classes] by `read_csr.py`."""
    with np.load(folder / NPZ) as arrays:
        net = dict(arrays)
    constant = json.loads(str(net["metadata"]))["encoding"]["name"] == "direct"
    return torch.from_numpy(read_csr.counts(net, by_sample(inputs, constant)))


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


def smallest_unsigned(largest: int) -> np.dtype:
    """The smallest unsigned type that holds 0 to `largest`."""
    return np.dtype(next(kind for kind in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(kind).max))
