"""Networks from NIR as NIR again."""

from pathlib import Path

import numpy as np
import pytest
import torch

nir = pytest.importorskip("nir")

from snnprune.nir.reading import from_graph, read  # noqa: E402
from snnprune.nir.writing import content_of, to_graph, write  # noqa: E402


def graph():
    """With a graph inside, weights of float64, and others' metadata."""
    neurons = nir.CubaLIF(*(np.full(3, value) for value in (2e-4, 1e-3, 10.0, 0.0, 1.0)))
    neurons.metadata = {"place": "core 3"}
    inside = nir.NIRGraph.from_list(nir.Linear(np.arange(9.0).reshape(3, 3)), neurons)
    outer = nir.NIRGraph.from_list(nir.Affine(np.ones((3, 2), np.float32), np.zeros(3, np.float32)), inside)
    outer.metadata = {"author": "somebody"}
    return outer


def test_weights_are_the_networks_and_all_else_stays(tmp_path: Path) -> None:
    network = from_graph(graph())
    inner = next(place.name for place in network.places if place.name.endswith("linear"))
    with torch.no_grad():
        network.module(inner).weight[0] = 0
    write(network, tmp_path / "a.nir")
    written = nir.read(tmp_path / "a.nir")
    outer, _, name = inner.rpartition(".")
    node = written.nodes[outer].nodes[name]
    assert node.weight.tolist() == [[0, 0, 0], [3, 4, 5], [6, 7, 8]]
    assert node.weight.dtype == np.float64
    assert written.nodes[outer].nodes["cubalif"].metadata == {"place": "core 3"}
    assert written.metadata == {"author": "somebody"}
    again = read(tmp_path / "a.nir")
    assert again.state_dict().keys() == network.state_dict().keys()
    assert all(
        torch.equal(a, b) for a, b in zip(again.state_dict().values(), network.state_dict().values(), strict=True)
    )


def test_the_graph_it_came_from_does_not_change() -> None:
    network = from_graph(graph())
    with torch.no_grad():
        network.module("affine").weight.zero_()
    assert to_graph(network).nodes["affine"].weight.sum() == 0
    assert network.graph.nodes["affine"].weight.sum() == 6


def test_equal_graphs_are_equal_bytes() -> None:
    assert content_of(graph()) == content_of(to_graph(from_graph(graph())))
