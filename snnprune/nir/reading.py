"""A NIR file, or a graph of the package `nir`, as a network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snnprune.core.errors import UserError
from snnprune.nir.network import Edge, StepNetwork
from snnprune.nir.neurons import Mechanism, Reset
from snnprune.nir.nodes import Reading, module_of
from snnprune.nir.package import NirError, open_graph

MECHANISMS = ("subtract", "zero", "file")
OURS = "snnprune"  # the key of a graph's metadata under which `snnprune.export.nir` leaves its own


def read(
    path: str | Path, *, reset: Mechanism | None = None, reset_delay: bool | None = None, dt: float | None = None
) -> StepNetwork:
    """The network of a NIR file, in evaluation mode, on the CPU.

    reset: what a spike does to the membrane: `subtract` the threshold, set it to `zero`, or to the v_reset of the
        `file`. reset_delay: with the next step's update, as snnTorch does by default, instead of at once. Without them
        a neuron's metadata say it, where this project wrote the file (a subtraction at once is then snnTorch's,
        `snnprune.nir.neurons.Reset`); else it is NIR's: v_reset, at once.
    dt: seconds of a step. Without it the file's metadata say it, or it is 1e-4, with which snnTorch and nirtorch write;
        an IF whose r is 1, as sinabs writes it, adds its input as it is.
    Raises UserError: the package `nir` is not installed, the file is missing or damaged, or a node cannot be
    represented; names the node, its kind and what is allowed.
    """
    graph = open_graph(Path(path))
    try:
        return from_graph(graph, reset=reset, reset_delay=reset_delay, dt=dt)
    except NirError as error:
        raise NirError(f"{path}: {error}") from error


def from_graph(
    graph: Any, *, reset: Mechanism | None = None, reset_delay: bool | None = None, dt: float | None = None
) -> StepNetwork:
    """The network of a `nir.NIRGraph`, as `read`."""
    if reset not in (None, *MECHANISMS):
        raise UserError(f"reset: allowed are {', '.join(MECHANISMS)}; found {reset!r}")
    if dt is not None and not dt > 0:
        raise UserError(f"dt: allowed are more than 0 seconds; found {dt}")
    nodes, edges = flatten(graph)
    ends = _only(graph, "Input"), _only(graph, "Output")
    dt = said(graph).get("dt") if dt is None else dt
    modules = {}
    for name, node in nodes.items():
        about = node.metadata or {}
        gives = "potential" if about.get("gives") == "potential" and _is_ours(about) else "spikes"
        modules[name] = module_of(name, node, Reading(_reset(about, reset, reset_delay), dt, gives))
    return StepNetwork(modules, edges, ends, graph).eval()


def _reset(metadata: Mapping[str, Any], reset: Mechanism | None, delay: bool | None) -> Reset:
    """As asked for, else as a node's metadata have it where they are this project's, else NIR's."""
    own = Reset()
    if _is_ours(metadata):
        mechanism, delayed = str(metadata["reset"]), bool(metadata["reset_delay"])
        own = Reset(mechanism, delayed, as_snntorch=mechanism == "subtract" and not delayed)
    if (reset, delay) == (None, None):
        return own
    return Reset(own.mechanism if reset is None else reset, own.delay if delay is None else delay)


def _is_ours(metadata: Mapping[str, Any]) -> bool:
    """Whether a neuron's metadata are this project's."""
    return metadata.get("reset") in MECHANISMS and "reset_delay" in metadata


def said(graph: Any) -> dict[str, Any]:
    """What `snnprune.export.nir` left in a graph's metadata: timesteps, encoding, readout, ...; of other graphs
    nothing."""
    found = (graph.metadata or {}).get(OURS)
    return {} if found is None else json.loads(found)


def flatten(graph: Any) -> tuple[dict[str, Any], list[Edge]]:
    """Name -> node, and the edges, of a graph with the graphs inside it. A node inside one is called `graph.node`; what
    enters and leaves passes its own Input and Output."""
    nodes: dict[str, Any] = {}
    edges: list[Edge] = []
    inner: dict[str, Edge] = {}
    for name, node in graph.nodes.items():
        if type(node).__name__ != "NIRGraph":
            nodes[name] = node
            continue
        inside, between = flatten(node)
        nodes |= {f"{name}.{key}": value for key, value in inside.items()}
        edges += [(f"{name}.{source}", f"{name}.{target}") for source, target in between]
        inner[name] = f"{name}.{_only(node, 'Input')}", f"{name}.{_only(node, 'Output')}"
    for source, target in graph.edges:
        edges.append((inner[source][1] if source in inner else source, inner[target][0] if target in inner else target))
    return nodes, edges


def _only(graph: Any, kind: str) -> str:
    found = [name for name, node in graph.nodes.items() if type(node).__name__ == kind]
    if len(found) != 1:
        raise NirError(f"found {len(found)} nodes {kind} ({', '.join(found) or 'none'}); allowed is one")
    return found[0]
