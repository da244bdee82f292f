"""A smaller network with the same output spikes: neurons that nothing reads or that never fire are removed, and whole
channels of convolutions where that holds for all of their positions."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from snnprune.core.architecture import Conv, Dense
from snnprune.core.checkpoint import load_network, save_network
from snnprune.core.encoding import is_constant
from snnprune.core.fitting import kind_of
from snnprune.core.network import Origin, SpikingNetwork, build_network, run_fused
from snnprune.core.params import ModelParams
from snnprune.export.registry import Exported
from snnprune.export.sparse_layers import read_layers
from snnprune.export.sparse_net import known_spikes, rows_read
from snnprune.pruning.mask import prunable_weights

FILE = "model.safetensors"


def to_compact(network: SpikingNetwork, classes: Sequence[str] = ()) -> Exported:
    """`compact` as a file that `snnprune.load` reads. Raises UserError: as `compact`."""
    small = compact(network)
    masks = {name: weight.detach() != 0 for name, weight in prunable_weights(small).items()}
    with tempfile.TemporaryDirectory() as place:
        save_network(Path(place) / FILE, small, masks)
        content = (Path(place) / FILE).read_bytes()
    counts = {"layers_before": str(network.spec.layers), "layers": str(small.spec.layers)}
    weights = {"synapses_before": _synapses(network), "synapses": _synapses(small)}
    return Exported({FILE: content}, {**counts, **weights})


@torch.no_grad()
def run_compact(folder: Path, inputs: Tensor) -> Tensor:
    """Spike counts [B, classes] of the smaller network."""
    network = load_network(folder / FILE)
    spec = network.spec
    return run_fused(network.layers, inputs.to(kind_of(network)), spec.timesteps, is_constant(spec.encoding)).sum(0)


def compact(network: SpikingNetwork) -> SpikingNetwork:
    """The network, in evaluation mode, without rows (neurons, channels) whose spikes no class depends on or that never
    fire, whatever the input; one row of a layer stays. Inputs, what is done to them (`normalize`), classes and the type
    stay. Spikes are the same, except where another order of summation tips a membrane over its threshold. Raises
    UserError: as `snnprune.export.sparse_layers.read_layers`."""
    layers = read_layers(network)
    silent = [(spikes == 0).all(1) for spikes in known_spikes(layers, network.spec.timesteps)]
    silent[-1][:] = False
    read = rows_read(layers, [~rows for rows in silent])
    kept = [_at_least_one(needed & ~never) for needed, never in zip(read, silent, strict=True)]
    small = build_network(network.spec.model_copy(update={"layers": _notation(network.spec, kept)}))
    small = small.to(kind_of(network)).eval()
    weighted = [[m for m in net.layers if isinstance(m, nn.Linear | nn.Conv2d)] for net in (network, small)]
    columns: np.ndarray | None = None
    with torch.no_grad():
        for old, new, rows in zip(*weighted, kept, strict=True):
            chosen = old.weight[torch.from_numpy(rows)]
            if columns is not None:
                each = chosen.shape[1] // len(columns)
                chosen = chosen[:, torch.from_numpy(columns.repeat(each))]
            new.weight.copy_(chosen)
            if old.bias is not None:
                new.bias.copy_(old.bias[torch.from_numpy(rows)])
            columns = rows
    if network.normalize is not None:
        small.origin = Origin({name: name for name, _ in small.named_parameters()}, {}, network.normalize)
    return small


def _at_least_one(rows: np.ndarray) -> np.ndarray:
    if not rows.any():
        rows[0] = True
    return rows


def _notation(spec: ModelParams, kept: Sequence[np.ndarray]) -> list[int] | str:
    """The architecture with as many rows as are kept."""
    architecture, counts = spec.architecture, [int(rows.sum()) for rows in kept]
    if not isinstance(spec.layers, str):
        return [architecture.inputs, *counts]
    rest, parts = iter(counts), []
    for layer in architecture.layers:
        if isinstance(layer, Conv):
            layer = replace(layer, channels=next(rest))
        elif isinstance(layer, Dense):
            layer = replace(layer, neurons=next(rest))
        parts.append(str(layer))
    return "-".join([spec.layers.split("-")[0], *parts])


def _synapses(network: SpikingNetwork) -> int:
    return sum(weight.numel() for weight in prunable_weights(network).values())
