"""Runs a network of compressed sparse rows, a graph of nodes, with numpy alone: python read_csr.py net.npz inputs.npy

inputs.npy is float32: [samples, ...] where the encoding is `direct` (the same input at every step), else
[samples, T, ...], such as frames of events; the metadata say what a sample's `input_shape` is. Prints a line for each
sample: its class, and the scores of all.
"""

import json
import math
import sys

import numpy as np


def taps(net, n, highest, total):
    """Sums or maxima [rows * height * width, samples] of what a node reads, total [values, samples]."""
    channels, height, width, top, left, padded_height, padded_width = (int(each) for each in net[f"{n}.layout"])
    rows, down, right, y_step, x_step = (int(each) for each in net[f"{n}.geometry"])
    laid = np.full((channels, padded_height, padded_width, total.shape[1]), -np.inf if highest else 0, np.float32)
    laid[:, top : top + height, left : left + width] = total.reshape(channels, height, width, -1)
    laid = laid.reshape(-1, total.shape[1])
    at = (np.arange(down)[:, None] * y_step + np.arange(right) * x_step).ravel()
    out = np.empty((rows, len(at), total.shape[1]), np.float32)
    for row in range(rows):
        out[row] = -np.inf if highest else net[f"{n}.bias"][row]
        for p in range(net[f"{n}.indptr"][row], net[f"{n}.indptr"][row + 1]):
            tap = laid[net[f"{n}.indices"][p] + at]
            out[row] = np.maximum(out[row], tap) if highest else out[row] + net[f"{n}.values"][p] * tap
    return out.reshape(-1, total.shape[1])


def neurons(net, n, node, current, u, i):
    """Spikes or potentials, and the next potentials and currents of synapses, [neurons, samples]."""
    beta, threshold = (net[f"{n}.{name}"].reshape(-1, 1) for name in ("beta", "threshold"))
    if f"{n}.alpha" in net:
        current = i = net[f"{n}.alpha"].reshape(-1, 1) * i + current
    fired = u > threshold
    now = beta * np.where(fired & (node["reset"] == "zero"), np.float32(0), u) + current
    if node["reset"] == "subtract":
        now = now - np.where(fired, threshold, np.float32(0))
    elif node["reset"] == "whole":
        now = np.where(fired, np.float32(0), now)
    fires = now > threshold
    if not node["delayed"] and node["reset"] != "none":
        more = fires.astype(np.float32) - fired.astype(np.float32)
        now = now - more * (threshold if node["reset"] == "subtract" else now)
    return now if node["gives"] == "potential" else fires.astype(np.float32), now, i


def counts(net, inputs):
    """Scores [samples, classes] of inputs [samples, ...] or [samples, T, ...]."""
    about = json.loads(str(net["metadata"]))
    constant, nodes, steps = about["encoding"]["name"] == "direct", about["nodes"], about["timesteps"]
    inputs = inputs.reshape(len(inputs), *([] if constant else [steps]), math.prod(about["input_shape"]))
    values = {node["name"]: np.zeros((node["size"], len(inputs)), np.float32) for node in nodes}
    u, i, scores = dict(values), dict(values), 0
    for t in range(steps):
        values["input"] = (inputs if constant else inputs[:, t]).T
        for n, node in enumerate(nodes):
            if t > 0 and node["constant"]:
                continue
            name, total = node["name"], sum(values[read] for read in node["reads"])
            if node["kind"] == "neurons":
                values[name], u[name], i[name] = neurons(net, n, node, total, u[name], i[name])
            else:
                values[name] = taps(net, n, node["kind"] == "highest", total)
        now = sum(values[name] for name in about["output"])
        scores = now if about["scores"] == "last" else scores + now / (steps if about["scores"] == "mean" else 1)
    return scores.T


if __name__ == "__main__":
    for scores in counts(dict(np.load(sys.argv[1])), np.load(sys.argv[2])):
        print(f"{scores.argmax()}:", *scores)
