"""Compressed sparse rows of a network that is no plain sequence: its nodes' arrays, and what its metadata say of them.

Of node n, where it has taps (`snnprune.export.taps`): `n.indptr`, `n.indices`, `n.values`, `n.bias`, `n.layout`
(channels, height, width, top, left, padded height, padded width), `n.geometry` (rows, height, width, y_step, x_step);
of neurons `n.beta`, `n.threshold`, `n.alpha` (one value, or one for each). `read_csr_graph.py` computes with them.
"""

from typing import Any

import numpy as np

from snnprune.adapters.step_neurons import StepNeurons
from snnprune.export.flat_net import FlatNet, FlatNode
from snnprune.export.scores import SCORES
from snnprune.export.sparse_net import smallest_unsigned
from snnprune.export.taps import Taps

LAYOUT = ("channels", "height", "width", "top", "left", "padded_height", "padded_width")
GEOMETRY = ("rows", "height", "width", "y_step", "x_step")


def arrays_of(net: FlatNet) -> dict[str, np.ndarray]:
    """All nodes' arrays by name."""
    return {f"{n}.{key}": array for n, node in enumerate(net.nodes) for key, array in _arrays(node.what).items()}


def nodes_of(net: FlatNet) -> dict[str, Any]:
    """What the metadata say: the nodes in the order of a step, which are the output, and what scores are made of it."""
    return {"nodes": [_about(node) for node in net.nodes], "output": list(net.output), SCORES: net.scores}


def _arrays(what: Taps | StepNeurons) -> dict[str, np.ndarray]:
    if isinstance(what, StepNeurons):
        found = {"beta": what.beta, "threshold": what.threshold, "alpha": what.alpha}
        return {key: array.ravel() for key, array in found.items() if array is not None}
    return {
        "indptr": what.starts.astype(np.uint32),
        "indices": what.columns.astype(smallest_unsigned(what.layout.size)),
        "values": what.values,
        "bias": what.bias,
        "layout": np.array([getattr(what.layout, key) for key in LAYOUT], np.uint32),
        "geometry": np.array([getattr(what, key) for key in GEOMETRY], np.uint32),
    }


def _about(node: FlatNode) -> dict[str, Any]:
    about = {"name": node.name, "reads": list(node.reads), "size": node.size, "constant": node.constant}
    if isinstance(node.what, StepNeurons):
        return {
            "kind": "neurons",
            **about,
            "reset": node.what.reset,
            "delayed": node.what.delayed,
            "gives": node.what.gives,
        }
    return {"kind": "highest" if node.what.highest else "sum", **about}
