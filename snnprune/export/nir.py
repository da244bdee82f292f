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
from snnprune.adapters.simplify import simplified
from snnprune.adapters.step_graph import Scores, StepGraph
from snnprune.adapters.tracing import trace
from snnprune.core.network import SpikingNetwork
from snnprune.export.metadata import metadata
from snnprune.export.registry import Exported
from snnprune.export.scores import SCORES, scored
from snnprune.nir.from_modules import graph_of, sequence_edges
from snnprune.nir.network import StepNetwork
from snnprune.nir.nodes import DT
from snnprune.nir.package import NirError, open_graph
from snnprune.nir.reading import OURS, from_graph, read, said
from snnprune.nir.writing import content_of

FILE = "network.nir"
BATCH = 500
NIRS_RESET = "resets to zero, which is NIR's own reset: every reader has the same neurons"
ANOTHER_RESET = (
    "NIR's LIF resets to v_reset at once, so another reader's neurons differ (the metadata say what these are)"
)
POTENTIAL = (
    "the membrane potential is read, which NIR's LIF does not give: another reader gets spikes (the metadata say it; "
    "without a reset the neurons would be LI, whose potential every reader gets)"
)


def to_nir(
    network: SpikingNetwork | AdaptedNetwork, classes: Sequence[str] = (), *, exit_threshold: float | None = None
) -> Exported:
    """The network as one NIR file; T, encoding, reset, read-out, classes and, if given, the threshold of early exit are
    in its metadata, as JSON under `snnprune`; of a network of the user's own also what `scores` are made of its output.
    Raises UserError: the package `nir` is not installed, or a layer that NIR cannot express, such as max-pooling; of a
    network of the user's own, as `snnprune.adapters.tracing.trace`."""
    about = metadata(network, classes) | {"dt": DT}
    if isinstance(network, AdaptedNetwork):
        step = simplified(trace(network))
        graph, about[SCORES] = step_graph(step), step.scores
    else:
        graph = network_graph(network)
    graph.metadata = {OURS: json.dumps(about if exit_threshold is None else about | {"exit_threshold": exit_threshold})}
    return Exported({FILE: content_of(graph)}, {"notes": _notes(graph)})


def _notes(graph: Any) -> list[str]:
    neurons = {name: node.metadata for name, node in graph.nodes.items() if "reset" in (node.metadata or {})}
    resets = {(about["reset"], about["reset_delay"]) for about in neurons.values()}
    notes = [NIRS_RESET] if {reset for reset, _ in resets} == {"zero"} else []
    if ("subtract", True) in resets:
        notes.append(f"resets by subtraction, one step later; {ANOTHER_RESET}")
    elif ("subtract", False) in resets:
        notes.append(f"resets by subtraction, at once as snnTorch does; {ANOTHER_RESET}")
    read = [name for name, about in neurons.items() if about.get("gives") == "potential"]
    return notes + ([f"{', '.join(read)}: {POTENTIAL}"] if read else [])


def network_graph(network: SpikingNetwork) -> Any:
    """The `nir.NIRGraph` of a network; nodes are called by their layer's number."""
    shape = network.spec.architecture.input_shape
    modules: dict[str, nn.Module] = {str(number): layer for number, layer in enumerate(network.layers)}
    if len(shape) == 1:
        modules = {name: layer for name, layer in modules.items() if not isinstance(layer, nn.Flatten)}
    return graph_of(modules, sequence_edges([*modules]), shape)


def step_graph(graph: StepGraph) -> Any:
    """The `nir.NIRGraph` of a network of the user's own; nodes are called by their modules' names there. A residual sum
    is several edges; recurrent weights, which read neurons after them, are a node behind these and lead back."""
    names = [*graph.nodes]
    for name, node in graph.nodes.items():
        after = names[names.index(name) + 1 :]
        if all(read in after for read in node.reads):
            names.remove(name)
            names.insert(1 + max(names.index(read) for read in node.reads), name)
    return graph_of({name: graph.nodes[name].module for name in names}, [*graph.edges], graph.input_shape)


def run_nir(folder: Path, inputs: Tensor) -> Tensor:
    """Scores [B, classes] of the file, read with its metadata and run step by step. Raises UserError: the package `nir`
    is not installed."""
    network = read(folder / FILE)
    return counts(network, inputs, said(network.graph).get(SCORES, "sum"))


def run_nir_elsewhere(folder: Path, inputs: Tensor) -> Tensor:
    """The same with NIR's own reset, as a reader has them that knows nothing of the neurons' metadata: it counts spikes
    where they say that potentials are read."""
    graph = open_graph(folder / FILE)
    scores = said(graph).get(SCORES, "sum")
    for node in graph.nodes.values():
        scores = "sum" if (node.metadata or {}).get("gives") == "potential" else scores
        node.metadata = {}
    return counts(from_graph(graph), inputs, scores)


@torch.no_grad()
def counts(network: StepNetwork, inputs: Tensor, scores: Scores = "sum") -> Tensor:
    """The output of all steps as scores [B, ...] for inputs as `run_nir` has them: [B, ...] where they are the same at
    every step, else [T, B, ...]. Raises NirError: the file does not say how many steps there are."""
    about = said(network.graph)
    if "timesteps" not in about:
        raise NirError(f"the graph's metadata have no entry {OURS!r}, which says how the network is fed")
    constant = about["encoding"]["name"] == "direct"
    found = []
    for batch in inputs.float().split(BATCH, 0 if constant else 1):
        steps = batch.expand(about["timesteps"], *batch.shape) if constant else batch
        found.append(scored(network(steps), scores))
    return torch.cat(found)
