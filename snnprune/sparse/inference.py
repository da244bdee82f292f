"""The compiled loop of a pruned net that only infers: sparse layers over all time steps, one block of samples after the
other, so that a block's values stay in the cache from the first layer to the last."""

import numpy as np

from snnprune.sparse.compiled import compiled
from snnprune.sparse.kernels import EXACT, ONE, SUMS, ZERO

PLACE = np.uint64  # a place in an array that is never negative: the compiler need not ask, and vectorises


@compiled(**EXACT)
def infer(
    first, last, block, inputs, places, columns, bounds, rows, run_bounds, starts, indices, values, bias, beta,
    threshold, to_zero, out, fanout, operations, fired,
):  # fmt: skip
    """Run the blocks `first` to `last` (excluded), of `block` samples each.

    inputs: flat; sample b's value i at step t is at i * value + t * step + b * sample, where `places` is (samples,
        steps, value, step, sample); step 0: it is the same at every step.
    columns: which inputs are read.
    bounds: layer l's neurons are bounds[l]..bounds[l + 1] of starts (CSR), bias, beta, threshold and fanout; to_zero[l]
        is its reset.
    rows: rows[run_bounds[l]..run_bounds[l + 1]] of layer l are run, numbers within the layer.
    out: the last layer's spikes, flat [neurons, steps, samples].
    fired, operations [layers, samples]: get the number of each layer's spikes, and the sum of the `fanout` of the
        neurons that fired; [0, 0]: not asked for.
    """
    samples, steps, at_value, at_step, at_sample = places
    layers = len(to_zero)
    given, widest = 1 if at_step == 0 else steps, 0
    for layer in range(layers):
        widest = max(widest, bounds[layer + 1] - bounds[layer])
    room = widest * steps
    if len(columns):
        room = max(room, (np.int64(columns[-1]) + 1) * given)
    source, target = np.empty(room * block, np.float32), np.empty(room * block, np.float32)
    current, state = np.empty(steps * block, np.float32), np.empty(max(block, widest), np.float32)
    currents = np.zeros(widest * steps, np.float32)
    for part in range(first, last):
        begin = part * block
        width = min(block, samples - begin)
        length = given * width
        for i in columns:
            for t in range(given):
                at, to = i * at_value + t * at_step + begin * at_sample, i * length + t * width
                for c in range(width):
                    source[to + c] = inputs[at + c * at_sample]
        for layer in range(layers):
            run, at_layer = rows[run_bounds[layer] : run_bounds[layer + 1]], PLACE(bounds[layer])
            if width == 1:
                neurons = PLACE(bounds[layer + 1]) - at_layer
                add_for_one(
                    run, at_layer, neurons, PLACE(steps), starts, indices, values, bias, source, PLACE(length), current,
                    currents,
                )  # fmt: skip
                fire_for_one(
                    currents, PLACE(length), PLACE(steps), neurons, beta, threshold, at_layer, to_zero[layer], state,
                    target,
                )  # fmt: skip
            for j in run:
                at, to = bounds[layer] + j, j * steps * width
                if width > 1:
                    p, end = PLACE(starts[at]), PLACE(starts[at + 1])
                    add(p, end, indices, values, bias[at], source, PLACE(length), current)
                    fire(
                        current, PLACE(length), PLACE(steps), PLACE(width), beta[at], threshold[at], to_zero[layer],
                        state, target, PLACE(to),
                    )  # fmt: skip
                if len(fired):
                    tally(target, PLACE(to), PLACE(steps), PLACE(width), state)
                    for c in range(width):
                        fired[layer, begin + c] += np.int64(state[c])
                        operations[layer, begin + c] += np.int64(state[c]) * fanout[at]
            source, target, length = target, source, steps * width
        for row in range((bounds[layers] - bounds[layers - 1]) * steps):
            for c in range(width):
                out[row * samples + begin + c] = source[row * width + c]


@compiled(**SUMS, forceinline=True)
def add(p, end, indices, values, bias, source, length, out):
    """out = bias + the sum over the synapses p..end (excluded), in the order of `multiply`, of the rows in `source`,
    each `length` long."""
    for c in range(length):
        out[c] = bias
    while p + PLACE(4) <= end:
        w0, w1, w2, w3 = values[p], values[p + PLACE(1)], values[p + PLACE(2)], values[p + PLACE(3)]
        x0, x1 = PLACE(indices[p]) * length, PLACE(indices[p + PLACE(1)]) * length
        x2, x3 = PLACE(indices[p + PLACE(2)]) * length, PLACE(indices[p + PLACE(3)]) * length
        for c in range(length):
            out[c] += w0 * source[x0 + c] + w1 * source[x1 + c] + w2 * source[x2 + c] + w3 * source[x3 + c]
        p += PLACE(4)
    while p < end:
        w, x = values[p], PLACE(indices[p]) * length
        for c in range(length):
            out[c] += w * source[x + c]
        p += PLACE(1)


@compiled(**EXACT, forceinline=True)
def fire(current, length, steps, width, decay, limit, to_zero, state, spikes, to):
    """A neuron's spikes, `width` a step, from the place `to` on, of its current, of all steps or of one alone; the
    arithmetic is that of `integrate`."""
    stride = width if length > width else PLACE(0)
    for c in range(width):
        state[c] = current[c]
        spikes[to + c] = ONE if current[c] > limit else ZERO
    for t in range(PLACE(1), steps):
        now, at = t * stride, to + t * width
        if to_zero:
            for c in range(width):
                potential = (ZERO if state[c] > limit else decay * state[c]) + current[now + c]
                state[c] = potential
                spikes[at + c] = ONE if potential > limit else ZERO
        else:
            for c in range(width):
                potential = (decay * state[c] + current[now + c]) - (limit if state[c] > limit else ZERO)
                state[c] = potential
                spikes[at + c] = ONE if potential > limit else ZERO


@compiled(**SUMS, forceinline=True)
def add_for_one(run, first, neurons, steps, starts, indices, values, bias, source, length, current, out):
    """For one sample, out = the currents [steps, neurons], or [neurons] where `length` is 1, of the neurons `run` of
    the layer that begins at the place `first`."""
    for j in run:
        at = first + PLACE(j)
        p, end = PLACE(starts[at]), PLACE(starts[at + PLACE(1)])
        if length == PLACE(1):
            total = bias[at]
            while p < end:
                total += values[p] * source[PLACE(indices[p])]
                p += PLACE(1)
            out[PLACE(j)] = total
        else:
            add(p, end, indices, values, bias[at], source, length, current)
            for t in range(steps):
                out[t * neurons + PLACE(j)] = current[t]


@compiled(**EXACT, forceinline=True)
def fire_for_one(currents, length, steps, neurons, beta, threshold, first, to_zero, state, spikes):
    """For one sample, a layer's spikes [neurons, steps] of its currents: as `fire`, but all neurons at once; one after
    the other would wait for its sum at every step."""
    stride = neurons if length > PLACE(1) else PLACE(0)
    for j in range(neurons):
        state[j] = currents[j]
        spikes[j * steps] = ONE if state[j] > threshold[first + j] else ZERO
    for t in range(PLACE(1), steps):
        now = t * stride
        if to_zero:
            for j in range(neurons):
                decay, limit = beta[first + j], threshold[first + j]
                state[j] = (ZERO if state[j] > limit else decay * state[j]) + currents[now + j]
        else:
            for j in range(neurons):
                decay, limit = beta[first + j], threshold[first + j]
                state[j] = (decay * state[j] + currents[now + j]) - (limit if state[j] > limit else ZERO)
        for j in range(neurons):
            spikes[j * steps + t] = ONE if state[j] > threshold[first + j] else ZERO


@compiled(**EXACT, forceinline=True)
def tally(spikes, to, steps, width, out):
    """How often a neuron fired, for each of `width` samples."""
    for c in range(width):
        out[c] = ZERO
    for t in range(steps):
        for c in range(width):
            out[c] += spikes[to + t * width + c]
