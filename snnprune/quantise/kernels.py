"""Compiled loops of the integer network. Every sum is of whole numbers and checked to fit 32 bits
(`snnprune.quantise.overflow`), so that the order of summation does not matter. Arrays are C-contiguous."""

from snnprune.sparse.compiled import compiled
from snnprune.sparse.kernels import EXACT


@compiled(**EXACT)
def multiply(starts, columns, values, inputs, out):
    """out [B, outputs, S] += the weight in CSR times inputs [B, inputs, S]."""
    for b in range(len(inputs)):
        for j in range(len(starts) - 1):
            total = out[b, j]
            for p in range(starts[j], starts[j + 1]):
                value, row = values[p], inputs[b, columns[p]]
                for s in range(len(row)):
                    total[s] += value * row[s]


@compiled(**EXACT)
def convolve(values, down, right, inputs, out):
    """out [B, O, H', W', S] += inputs [B, C, H, W, S] convolved with values [O, C, KH, KW], strides down, right."""
    outputs, channels, high, wide = values.shape
    batch, _, height, width, steps = out.shape
    for b in range(batch):
        for o in range(outputs):
            for c in range(channels):
                for ky in range(high):
                    for kx in range(wide):
                        value = values[o, c, ky, kx]
                        if value:
                            for y in range(height):
                                for x in range(width):
                                    row = inputs[b, c, y * down + ky, x * right + kx]
                                    for s in range(steps):
                                        out[b, o, y, x, s] += value * row[s]


@compiled(**EXACT)
def scaled(value, shift):
    """value * 2^shift, rounded to the next whole number, a half upwards."""
    return value << shift if shift >= 0 else (value + ((1 << -shift) >> 1)) >> -shift


@compiled(**EXACT)
def integrate(sums, shift, bias, threshold, multiplier, beta_shift, to_zero, spikes):
    """spikes [B, rows, places, T] of sums [B, rows, places, S], where S is T, or 1: the same at every step. Every place
    of a row has the row's numbers."""
    batch, rows, places, steps = spikes.shape
    half, constant = (1 << beta_shift) >> 1, sums.shape[3] == 1
    for b in range(batch):
        for j in range(rows):
            for i in range(places):
                membrane, fired = 0, False
                for t in range(steps):
                    current = scaled(sums[b, j, i, 0 if constant else t], shift[j]) + bias[j]
                    membrane = (multiplier[j] * membrane + half) >> beta_shift
                    if fired:
                        membrane = 0 if to_zero else membrane - threshold[j]
                    membrane += current
                    fired = membrane > threshold[j]
                    spikes[b, j, i, t] = fired
