"""The equations of NIR's documentation (https://neuroir.org/docs/primitives.html) in numpy, as a second opinion:
forward Euler with a step of dt, float64. It was written before `snnprune.nir`, from the documentation alone.

    LI, LIF      tau dv/dt = (v_leak - v) + R I            CubaLI, CubaLIF   tau_syn dI/dt = -I + w_in S
    IF           dv/dt = R I                                                 tau_mem dv/dt = (v_leak - v) + R I
    spike        z = 1 if v > v_threshold else 0, and then v = v_reset at once
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray


def interpret(graph: Any, inputs: Array, dt: float) -> Array:
    """Output [T, B, ...] of a graph for inputs [T, B, ...]. What comes by an edge from a node that is computed later in
    the step is that node's value of the step before; before the first one neurons are silent."""
    sources = {name: [a for a, b in graph.edges if b == name] for name in graph.nodes}
    order = _order(graph, sources)
    silent = {name: np.zeros((inputs.shape[1], *node.output_type["output"])) for name, node in graph.nodes.items()}
    values = {n: silent[n] if _is_neuron(graph.nodes[n]) else _transform(graph.nodes[n], _sum(sources[n], silent))
              for n in order if n in silent}  # fmt: skip
    states: dict[str, dict[str, Array]] = {name: {"v": silent[name], "i": silent[name]} for name in order}
    outputs = []
    for now in inputs.astype(np.float64):
        for name in order:
            node = graph.nodes[name]
            if type(node).__name__ == "Input":
                values[name] = now
            elif _is_neuron(node):
                values[name] = _integrate(node, _sum(sources[name], values), states[name], dt)
            else:
                values[name] = _transform(node, _sum(sources[name], values))
        outputs.append(values[next(n for n in order if type(graph.nodes[n]).__name__ == "Output")])
    return np.stack(outputs)


def _order(graph: Any, sources: dict[str, list[str]]) -> list[str]:
    """Nodes after their sources; where a loop leaves none ready, a neuron that something has reached goes first."""
    order: list[str] = []
    while len(order) < len(graph.nodes):
        rest = [name for name in graph.nodes if name not in order]
        ready = [name for name in rest if all(source in order for source in sources[name])]
        reached = [n for n in rest if _is_neuron(graph.nodes[n]) and any(source in order for source in sources[n])]
        order.append((ready or reached)[0])
    return order


def _is_neuron(node: Any) -> bool:
    return type(node).__name__ in ("IF", "LIF", "LI", "CubaLIF", "CubaLI")


def _sum(names: list[str], values: dict[str, Array]) -> Array:
    return np.sum([values[name] for name in names], axis=0)


def _integrate(node: Any, current: Array, state: dict[str, Array], dt: float) -> Array:
    kind = type(node).__name__
    if kind.startswith("Cuba"):
        current = state["i"] = state["i"] + dt / node.tau_syn * (-state["i"] + node.w_in * current)
    if kind == "IF":
        v = state["v"] + dt * node.r * current
    else:
        tau = node.tau_mem if kind.startswith("Cuba") else node.tau
        v = state["v"] + dt / tau * ((node.v_leak - state["v"]) + node.r * current)
    if kind in ("LI", "CubaLI"):
        state["v"] = v
        return v
    z = v > node.v_threshold
    state["v"] = np.where(z, node.v_reset, v)
    return z.astype(np.float64)


def _transform(node: Any, x: Array) -> Array:
    """Of nodes without a state; x [B, ...]."""
    kind = type(node).__name__
    if kind in ("Affine", "Linear"):
        return x @ node.weight.T.astype(np.float64) + getattr(node, "bias", 0)
    if kind == "Flatten":
        return x.reshape(len(x), -1)  # of all dimensions but the batch's, as start_dim 0 to end_dim -1 say
    if kind == "Conv2d":
        windows = _windows(x, node.weight.shape[2:], node.stride, node.padding)
        return np.einsum("bchwij,ocij->bohw", windows, node.weight, optimize=True) + node.bias[:, None, None]
    if kind == "SumPool2d":
        return _windows(x, node.kernel_size, node.stride, node.padding).sum((-2, -1))
    if kind == "AvgPool2d":
        return _windows(x, node.kernel_size, node.stride, node.padding).mean((-2, -1))
    return x  # Input, Output


def _windows(x: Array, kernel: Any, stride: Any, padding: Any) -> Array:
    """[B, C, H', W', kernel height, kernel width]; zeros around the image."""
    (down, right), (rows, columns) = np.broadcast_to(stride, 2), np.broadcast_to(padding, 2)
    padded = np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    return sliding_window_view(padded, tuple(kernel), axis=(2, 3))[:, :, ::down, ::right]
