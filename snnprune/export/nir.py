"""A network as a NIR file (https://neuroir.org), for simulators and chips.

NIR's LIF resets at once, to v_reset; a network's neurons one step later, as `snntorch.Leaky` does by default. To reset
to zero one step later or at once gives the same spikes, so such networks are NIR's own; to subtract the threshold is
another neuron, and other decisions in a few samples (`run_nir_elsewhere`). The file's metadata say which it is, and
`snnprune.nir.reading.read` follows them.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from snnprune.adapters.network import AdaptedNetwork
from snnprune.adapters.simplify import RECURRENT, simplified
from snnprune.adapters.tracing import trace
from snnprune.core.network import SpikingNetwork
from snnprune.export.metadata import metadata
from snnprune.export.registry import Exported
from snnprune.nir.from_modules import graph_of, sequence_edges
from snnprune.nir.network import StepNetwork
from snnprune.nir.nodes import DT
from snnprune.nir.package import NirError
from snnprune.nir.reading import OURS, read, said
from snnprune.nir.writing import content_of

FILE = "network.nir"
BATCH = 500
NIRS_RESET = "resets to zero, which is NIR's own reset: every reader has the same neurons"
ANOTHER_RESET = (
    "resets by subtraction, one step later; NIR's LIF resets to v_reset at once, so another reader's neurons differ "
    "(the metadata say what these are)"
)


def to_nir(
    network: SpikingNetwork | AdaptedNetwork, classes: Sequence[str] = (), *, exit_threshold: float | None = None
) -> Exported:
    """The network as one NIR file; T, encoding, reset, read-out, classes and, if given, the threshold of early exit are
    in its metadata, as JSON under `snnprune`. Raises UserError: the package `nir` is not installed, or a layer that NIR
    cannot express, such as max-pooling; of a network of the user's own, as `snnprune.adapters.tracing.trace`."""
    graph = adapted_graph(network) if isinstance(network, AdaptedNetwork) else network_graph(network)
    about = metadata(network, classes) | {"dt": DT}
    graph.metadata = {OURS: json.dumps(about if exit_threshold is None else about | {"exit_threshold": exit_threshold})}
    resets = {node.metadata["reset"] for node in graph.nodes.values() if "reset" in (node.metadata or {})}
    note = NIRS_RESET if resets <= {"zero"} else ANOTHER_RESET
    return Exported({FILE: content_of(graph)}, {"notes": [note]})


def network_graph(network: SpikingNetwork) -> Any:
    """The `nir.NIRGraph` of a network; nodes are called by their layer's number."""
    shape = network.spec.architecture.input_shape
    modules: dict[str, nn.Module] = {str(number): layer for number, layer in enumerate(network.layers)}
    if len(shape) == 1:
        modules = {name: layer for name, layer in modules.items() if not isinstance(layer, nn.Flatten)}
    return graph_of(modules, sequence_edges([*modules]), shape)


def adapted_graph(network: AdaptedNetwork) -> Any:
    """The `nir.NIRGraph` of a network of the user's own; nodes are called by their modules' names there. A residual sum
    is several edges, recurrent weights are a node behind their neurons and lead back to them."""
    graph = simplified(trace(network))
    recurrent = {
        name
        for name, node in graph.nodes.items()
        if name.endswith(RECURRENT) and name[: -len(RECURRENT)] in graph.nodes
    }
    names = [name for name in graph.nodes if name not in recurrent]
    for name in recurrent:
        names.insert(names.index(name.removesuffix(RECURRENT)) + 1, name)
    return graph_of({name: graph.nodes[name].module for name in names}, [*graph.edges], graph.input_shape)


def run_nir(folder: Path, inputs: Tensor) -> Tensor:
    """Spike counts [B, classes] of the file, read with its metadata and run step by step. Raises UserError: the
    package `nir` is not installed."""
    return counts(read(folder / FILE), inputs)


def run_nir_elsewhere(folder: Path, inputs: Tensor) -> Tensor:
    """The same with NIR's own reset, as a reader has them that knows nothing of the metadata."""
    return counts(read(folder / FILE, reset="file", reset_delay=False), inputs)


@torch.no_grad()
def counts(network: StepNetwork, inputs: Tensor) -> Tensor:
    """Output spikes of all steps [B, ...] for inputs as `run_nir` has them: [B, ...] where they are the same at every
    step, else [T, B, ...]. Raises NirError: the file does not say how many steps there are."""
    about = said(network.graph)
    if "timesteps" not in about:
        raise NirError(f"the graph's metadata have no entry {OURS!r}, which says how the network is fed")
    constant = about["encoding"]["name"] == "direct"
    found = []
    for batch in inputs.float().split(BATCH, 0 if constant else 1):
        steps = batch.expand(about["timesteps"], *batch.shape) if constant else batch
        found.append(network(steps).sum(0))
    return torch.cat(found)
