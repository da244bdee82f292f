"""Runs a network of compressed sparse rows with numpy alone: python read_csr.py net.npz inputs.npy

inputs.npy is float32: [samples, ...] where the encoding is `direct` (the same input at every step), else
[samples, T, ...], such as frames of events; the metadata say what a sample's `input_shape` is. Prints a line for each
sample: its class, and the counts of spikes.
"""

import json
import math
import sys

import numpy as np


def current(net, layer, x):
    """Input current [rows, neurons of a row, samples] for x [inputs, samples], synapses summed in their order."""
    indptr, indices, values, bias = (net[f"{layer}.{name}"] for name in ("indptr", "indices", "values", "bias"))
    height, width, y_step, x_step, pool = (int(number) for number in net[f"{layer}.geometry"])
    at = (np.arange(height)[:, None] * y_step + np.arange(width) * x_step).ravel()
    out = np.empty((len(bias), height * width, x.shape[1]), np.float32)
    for row in range(len(bias)):
        out[row] = bias[row]
        for p in range(indptr[row], indptr[row + 1]):
            out[row] += values[p] * x[indices[p] + at]
    h, w = height // pool, width // pool
    squares = out.reshape(len(bias), height, width, x.shape[1])[:, : h * pool, : w * pool]
    return squares.reshape(len(bias), h, pool, w, pool, x.shape[1]).max((2, 4)).reshape(len(bias), h * w, x.shape[1])


def counts(net, inputs):
    """Spike counts [samples, classes] of inputs [samples, ...] or [samples, T, ...]."""
    about = json.loads(str(net["metadata"]))
    constant, to_zero = about["encoding"]["name"] == "direct", about["reset"] == "zero"
    inputs = inputs.reshape(len(inputs), *([] if constant else [about["timesteps"]]), math.prod(about["input_shape"]))
    currents, u, total = {}, {}, 0
    for t in range(about["timesteps"]):
        x = (inputs if constant else inputs[:, t]).T
        for n in range(len(about["layers"])):
            if t == 0 or n > 0 or not constant:
                currents[n] = current(net, n, x)
            beta, threshold = (net[f"{n}.{name}"][:, None, None] for name in ("beta", "threshold"))
            before = u.get(n, np.zeros_like(currents[n]))
            reset = np.where(before > threshold, threshold, np.float32(0))
            kept = np.where(before > threshold, np.float32(0), beta * before)
            u[n] = kept + currents[n] if to_zero else (beta * before + currents[n]) - reset
            known = net[f"{n}.table"][:, t, None, None].repeat(u[n].shape[1], 1).repeat(x.shape[1], 2)
            x = np.concatenate([u[n] > threshold, known]).astype(np.float32).reshape(-1, x.shape[1])
        total = total + x.T
    return total.astype(int)


if __name__ == "__main__":
    for spikes in counts(dict(np.load(sys.argv[1])), np.load(sys.argv[2])):
        print(f"{spikes.argmax()}:", *spikes)
