"""The equations of the integer network written out neuron by neuron with Python's whole numbers, which do not overflow:
a second opinion, and what the largest value really was."""

from itertools import product

import numpy as np

from snnprune.quantise.integer import Csr, IntegerLayer, IntegerNetwork


class Plain:
    """Runs a network; `largest` is the largest magnitude of any value on the way, by the layer's name."""

    def __init__(self, network: IntegerNetwork) -> None:
        self.network = network
        self.largest = {layer.name: 0 for layer in network.layers}

    def spikes(self, sample: np.ndarray) -> list[np.ndarray]:
        """Every layer's spikes [T, ...] of one sample, an image or frames."""
        steps = self.network.timesteps
        values = np.stack([sample] * steps) if self.network.encoding == "direct" else sample
        found = []
        for layer in self.network.layers:
            values = self._layer(layer, values.astype(object))
            found.append(values)
        return found

    def _layer(self, layer: IntegerLayer, inputs: np.ndarray) -> np.ndarray:
        sums = np.stack([self._sums(layer, step) for step in inputs])
        spikes = np.zeros(sums.shape, int)
        for place in np.ndindex(sums.shape[1:]):
            row, membrane, fired = place[0], 0, False
            threshold, shift = int(layer.threshold[row]), int(layer.shift[row])
            for step in range(len(inputs)):
                total = int(sums[(step, *place)])
                if shift >= 0:
                    current = total * 2**shift
                else:
                    current = self._note(layer, total + 2 ** (-shift - 1)) // 2**-shift
                current = self._note(layer, self._note(layer, current) + int(layer.bias[row]))
                product = int(layer.multiplier[row]) * membrane
                half = 2 ** (layer.beta_shift - 1) if layer.beta_shift else 0
                membrane = self._note(layer, product + half) // 2**layer.beta_shift
                if fired:
                    membrane = 0 if layer.to_zero else membrane - threshold
                membrane = self._note(layer, self._note(layer, membrane) + current)
                fired = membrane > threshold
                spikes[(step, *place)] = fired
        return spikes

    def _sums(self, layer: IntegerLayer, inputs: np.ndarray) -> np.ndarray:
        synapses = layer.synapses
        if isinstance(synapses, Csr):
            flat, out = inputs.reshape(-1), []
            for row in range(len(synapses.starts) - 1):
                total = 0
                for place in range(synapses.starts[row], synapses.starts[row + 1]):
                    total += int(synapses.values[place]) * flat[synapses.columns[place]]
                    self._note(layer, total)
                out.append(total)
            return np.array(out, object)
        padded = np.pad(inputs, [(0, 0), *((by, by) for by in synapses.padding)])
        (down, right), (outputs, channels, high, wide) = synapses.stride, synapses.values.shape
        rows, columns = (padded.shape[1] - high) // down + 1, (padded.shape[2] - wide) // right + 1
        out = np.zeros((outputs, rows, columns), object)
        for o, y, x in np.ndindex(out.shape):
            for c, ky, kx in product(range(channels), range(high), range(wide)):
                out[o, y, x] += int(synapses.values[o, c, ky, kx]) * padded[c, y * down + ky, x * right + kx]
                self._note(layer, out[o, y, x])
        size = synapses.pool
        pooled = np.zeros((outputs, rows // size, columns // size), object)
        for o, y, x in np.ndindex(pooled.shape):
            pooled[o, y, x] = max(out[o, y * size : y * size + size, x * size : x * size + size].flat)
        return pooled

    def _note(self, layer: IntegerLayer, value: int) -> int:
        self.largest[layer.name] = max(self.largest[layer.name], abs(value))
        return value
