"""DVC's graph of stages."""

from typing import Any

import networkx


def graph_of(index: Any) -> networkx.DiGraph:
    """DVC's graph; an edge leads from a stage to one that it depends on. DVC's own looks for cycles in a time that is
    quadratic: minutes for a thousand stages."""
    graph = networkx.DiGraph()
    graph.add_nodes_from(index.stages)
    outs = index.outs_trie  # checked by DVC: no two overlap
    for stage in index.stages:
        for dep in stage.deps:
            graph.add_edges_from((stage, out.stage) for out in outs_of(dep, outs))
    return graph if networkx.is_directed_acyclic_graph(graph) else index.graph  # which raises, and names the cycle


def outs_of(dep: Any, outs: Any) -> list[Any]:
    """The outputs that an input is, lies in, or holds."""
    parts = dep.fs.parts(dep.fs_path)
    found = [node.value for node in outs.prefixes(parts)]
    return found + (outs.values(prefix=parts) if outs.has_subtrie(parts) else [])
