"""Compiled loops: LIF neurons over time, and products whose cost follows the synapses that are left.

Arrays are float32 and C-contiguous, indices unsigned of any size. A row's result depends on no other row, so that rows
may be shared out among threads (`first` to `last`, excluded) and give the same bytes. The neurons' steps run in
snnTorch's order, each operation rounded by itself, so that spikes agree bit for bit for equal currents. In sums the
compiler may change the order, always in the same way on a kind of CPU.
"""

import math

import numpy as np

from snnprune.sparse.compiled import compiled

EXACT = {"nogil": True, "error_model": "numpy"}
SUMS = {**EXACT, "fastmath": {"reassoc", "contract", "nsz"}}

ZERO, ONE = np.float32(0), np.float32(1)
LINE = 16  # samples whose values of a pixel fill a line of the cache


@compiled(**EXACT, forceinline=True)
def advance(state, now, offset, decay, limit, to_zero, is_first):
    """Brings the membrane potentials `state` [width] one step on, driven by the current `now` plus the bias `offset`;
    the first step begins at rest."""
    if is_first:
        for c in range(len(state)):
            state[c] = now[c] + offset
    elif to_zero:
        for c in range(len(state)):
            state[c] = (ZERO if state[c] > limit else decay * state[c]) + (now[c] + offset)
    else:
        for c in range(len(state)):
            reset = limit if state[c] > limit else ZERO
            state[c] = (decay * state[c] + (now[c] + offset)) - reset


@compiled(**SUMS, forceinline=True)
def retreat(later, total, potential, grad, decay, limit, to_zero, is_atan, slope):
    """Brings dL/dI [width] of the step after, `later`, one step back, to the step of the membrane potentials and of
    `grad`, dL/dS, by the surrogate's derivative, and adds it to `total`."""
    half, inner = np.float32(slope / 2), np.float32(math.pi / 2 * slope)
    if to_zero:
        for c in range(len(later)):
            later[c] = ZERO if potential[c] > limit else decay * later[c]
    else:
        for c in range(len(later)):
            later[c] = decay * later[c]
    if is_atan:
        for c in range(len(later)):
            a = inner * (potential[c] - limit)
            later[c] += grad[c] * half / (ONE + a * a)
    else:
        for c in range(len(later)):
            a = slope * abs(potential[c] - limit) + ONE
            later[c] += grad[c] / (a * a)
    for c in range(len(later)):
        total[c] += later[c]


@compiled(**EXACT)
def integrate(
    first, last, current, row, step, bias, beta, threshold, to_zero, scale, steps, width, membrane, spikes, out_row,
    out_step,
):  # fmt: skip
    """LIF neurons, `width` values of a row at a time. The current (flat) of row j at step t begins at j * row +
    t * step (step 0: it is the same at every step), its membrane (flat, or [0]: not kept) and spikes (flat) at
    j * out_row + t * out_step; bias [rows] is added to the current, [0]: none; beta and threshold [rows]; scale
    [rows, width]: what a spike counts, or [0, 0]: 1."""
    state = np.empty(width, np.float32)
    for j in range(first, last):
        decay, limit, offset = beta[j], threshold[j], bias[j] if len(bias) else ZERO
        for t in range(steps):
            now = current[j * row + t * step : j * row + t * step + width]
            advance(state, now, offset, decay, limit, to_zero, t == 0)
            at = j * out_row + t * out_step
            if len(membrane):
                kept = membrane[at : at + width]
                for c in range(width):
                    kept[c] = state[c]
            spike = spikes[at : at + width]
            if len(scale):
                for c in range(width):
                    spike[c] = scale[j, c] if state[c] > limit else ZERO
            else:
                for c in range(width):
                    spike[c] = ONE if state[c] > limit else ZERO


@compiled(**SUMS)
def differentiate(
    first, last, current, row, step, bias, beta, threshold, to_zero, scale, is_atan, slope, steps, width, gradient,
    grad_row, grad_step, out, out_row, out_step, out_bias,
):  # fmt: skip
    """dL/dI from dL/dS (`gradient`) by the surrogate's derivative, the reset path detached; all flat, places as in
    `integrate`, whose membrane potentials are computed once more: that is faster than to keep them. Where `out_step` is
    0, the current was the same at every step and its gradient is the sum over them. out_bias [rows], or [0]: the sums
    of a row's gradients, dL/db."""
    membrane, state = np.empty(steps * width, np.float32), np.empty(width, np.float32)
    total = np.empty(width, np.float32)
    later, scaled, steep = np.empty(width, np.float32), np.empty(width, np.float32), np.float32(slope)
    for j in range(first, last):
        decay, limit, offset = beta[j], threshold[j], bias[j] if len(bias) else ZERO
        for t in range(steps):
            now = current[j * row + t * step : j * row + t * step + width]
            advance(state, now, offset, decay, limit, to_zero, t == 0)
            kept = membrane[t * width : t * width + width]
            for c in range(width):
                kept[c] = state[c]
        later[:] = ZERO
        total[:] = ZERO
        for t in range(steps - 1, -1, -1):
            potential = membrane[t * width : t * width + width]
            at = j * grad_row + t * grad_step
            grad = gradient[at : at + width]
            if len(scale):
                for c in range(width):
                    scaled[c] = grad[c] * scale[j, c]
                grad = scaled
            retreat(later, total, potential, grad, decay, limit, to_zero, is_atan, steep)
            if out_step:
                place = out[j * out_row + t * out_step : j * out_row + t * out_step + width]
                for c in range(width):
                    place[c] = later[c]
        if out_step == 0:
            place = out[j * out_row : j * out_row + width]
            for c in range(width):
                place[c] = total[c]
        if len(out_bias):
            out_bias[j] = total.sum()


@compiled(**SUMS)
def multiply(first, last, starts, indices, values, bias, inputs, out):
    """Of the rows j: out[j] = bias[j] + sum of values[p] * inputs[indices[p]] over their synapses p = starts[j] to
    starts[j + 1]; bias [0]: none."""
    for j in range(first, last):
        total = out[j]
        total[:] = bias[j] if len(bias) else ZERO
        p, end = starts[j], starts[j + 1]
        while p + 4 <= end:  # a row is read and written once for four synapses
            w0, w1, w2, w3 = values[p], values[p + 1], values[p + 2], values[p + 3]
            x0, x1 = inputs[indices[p]], inputs[indices[p + 1]]
            x2, x3 = inputs[indices[p + 2]], inputs[indices[p + 3]]
            for c in range(len(total)):
                total[c] += w0 * x0[c] + w1 * x1[c] + w2 * x2[c] + w3 * x3[c]
            p += 4
        while p < end:
            w, x = values[p], inputs[indices[p]]
            for c in range(len(total)):
                total[c] += w * x[c]
            p += 1


@compiled(**SUMS)
def correlate(first, last, starts, indices, current, inputs, values, bias):
    """Of the rows j: values[p] = current[j] . inputs[indices[p]] for their synapses p, and bias[j] = the sum of
    current[j]; bias [0]: none. These are dL/dw where a synapse is left, and dL/db."""
    for j in range(first, last):
        g = current[j]
        if len(bias):
            total = ZERO
            for c in range(len(g)):
                total += g[c]
            bias[j] = total
        p, end = starts[j], starts[j + 1]
        while p + 4 <= end:
            x0, x1 = inputs[indices[p]], inputs[indices[p + 1]]
            x2, x3 = inputs[indices[p + 2]], inputs[indices[p + 3]]
            a0, a1, a2, a3 = ZERO, ZERO, ZERO, ZERO
            for c in range(len(g)):
                a0 += g[c] * x0[c]
                a1 += g[c] * x1[c]
                a2 += g[c] * x2[c]
                a3 += g[c] * x3[c]
            values[p], values[p + 1], values[p + 2], values[p + 3] = a0, a1, a2, a3
            p += 4
        while p < end:
            x, a = inputs[indices[p]], ZERO
            for c in range(len(g)):
                a += g[c] * x[c]
            values[p] = a
            p += 1


@compiled(**EXACT)
def gather(first, last, images, chosen, shift, in_rows, out):
    """out [B, C, H, W], or `in_rows` [C, H, W, B], = images [N, C, H, W] of the samples chosen [B], each moved by whole
    pixels: what is seen at (y, x) was at (y + shift[b, 0], x + shift[b, 1]), or is 0 where that is outside. `first` to
    `last`: of the B."""
    channels, height, width = images.shape[1:]
    pixels = channels * height * width
    flat = out.reshape(pixels, len(chosen)) if in_rows else out.reshape(len(chosen), pixels)
    tile = np.zeros((pixels, LINE if in_rows else 0), np.float32)
    for start in range(first, last, LINE):
        count = min(LINE, last - start)
        for i in range(count):
            image, (down, right) = images[chosen[start + i]], shift[start + i]
            left, end = max(0, -right), min(width, width - right)
            if down or right:
                if in_rows:
                    tile[:, i] = ZERO
                else:
                    flat[start + i] = ZERO
            for c in range(channels):
                for y in range(max(0, -down), min(height, height - down)):
                    at, line = (c * height + y) * width, image[c, y + down]
                    if in_rows:
                        for x in range(left, end):
                            tile[at + x, i] = line[x + right]
                    else:
                        row = flat[start + i, at : at + width]
                        for x in range(left, end):
                            row[x] = line[x + right]
        if in_rows:
            for p in range(pixels):
                for i in range(count):
                    flat[p, start + i] = tile[p, i]
