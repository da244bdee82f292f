"""The neurons of a layer in float32 or in whole numbers, as files for other machines hold them, and their spikes for
input that is known: one neuron at a time, for the few that no input of the network reaches."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

ROUNDING = 1e-4  # share of a threshold, far more than float32 loses in a sum


@dataclass(frozen=True)
class FloatNeurons:
    """Those of `snnprune.core.lif`. bias, beta, threshold: float32 [rows]."""

    bias: np.ndarray
    beta: np.ndarray
    threshold: np.ndarray
    to_zero: bool

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The constants, one for each row."""
        return {"bias": self.bias, "beta": self.beta, "threshold": self.threshold}

    def spikes(self, row: int, values: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Spikes [T] of a row for its synapses' values and inputs [synapses, T], summed in their order."""
        spikes, potential, limit = np.zeros(inputs.shape[1], np.int8), np.float32(0), self.threshold[row]
        for step, now in enumerate(inputs.T):
            current = self.bias[row]
            for value, spike in zip(values, now, strict=True):
                current = current + value * np.float32(spike)
            reset = potential > limit
            if self.to_zero:
                potential = (np.float32(0) if reset else self.beta[row] * potential) + current
            else:
                potential = (self.beta[row] * potential + current) - (limit if reset else np.float32(0))
            spikes[step] = potential > limit
        return spikes

    def never_fire(self, most: np.ndarray, steps: int) -> np.ndarray:
        """Whether rows stay silent for sums of at most `most` [rows] >= 0: a reset only lowers the potential."""
        return _highest(most + self.bias, self.beta, steps) < self.threshold * (1 - ROUNDING)


@dataclass(frozen=True)
class IntegerNeurons:
    """Those of `snnprune.quantise.integer`. bias, threshold, multiplier, shift: int32 [rows]."""

    bias: np.ndarray
    threshold: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    beta_shift: int
    to_zero: bool

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The constants, one for each row."""
        names = ("bias", "threshold", "multiplier", "shift")
        return {name: getattr(self, name) for name in names}

    def spikes(self, row: int, values: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """As `FloatNeurons.spikes`."""
        limit, multiplier, shift = int(self.threshold[row]), int(self.multiplier[row]), int(self.shift[row])
        spikes, membrane, half = np.zeros(inputs.shape[1], np.int8), 0, (1 << self.beta_shift) >> 1
        for step, total in enumerate((values.astype(np.int64) @ inputs).tolist()):
            scaled = total << shift if shift >= 0 else (total + ((1 << -shift) >> 1)) >> -shift
            decayed = (multiplier * membrane + half) >> self.beta_shift
            if membrane > limit:
                decayed = 0 if self.to_zero else decayed - limit
            membrane = decayed + scaled + int(self.bias[row])
            spikes[step] = membrane > limit
        return spikes

    def never_fire(self, most: np.ndarray, steps: int) -> np.ndarray:
        """As `FloatNeurons.never_fire`; each rounding adds less than 1."""
        currents = most * 2.0**self.shift + self.bias + 2
        return _highest(currents, self.multiplier / 2.0**self.beta_shift, steps) < self.threshold


Neurons = FloatNeurons | IntegerNeurons


def only(neurons: Neurons, rows: np.ndarray) -> Neurons:
    """Those of these rows."""
    arrays: Mapping[str, Any] = {name: array[rows] for name, array in neurons.arrays.items()}
    return replace(neurons, **arrays)


def _highest(currents: np.ndarray, beta: np.ndarray, steps: int) -> np.ndarray:
    """The highest potential that currents of at most so much can drive: sum_k beta^k times as much."""
    return currents * (np.asarray(beta, float)[:, None] ** np.arange(steps)).sum(1)
