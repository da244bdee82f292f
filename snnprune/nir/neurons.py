"""One time step of NIR's neurons in plain torch.

Forward Euler with a step of dt, as snnTorch and norse read NIR (the synapse's new current drives the membrane):

    synapse (CubaLI, CubaLIF)  i[t] = alpha * i[t-1] + w_in * x[t]        alpha = 1 - dt/tau_syn, w_in = w_in dt/tau_syn
    membrane                   u[t] = beta * u[t-1] + gain * i[t] + leak  beta = 1 - dt/tau, gain = r dt/tau,
                                                                          leak = v_leak dt/tau; i = x without a synapse
    spike                      s[t] = 1 if u[t] > threshold else 0

IF: beta 1, gain r dt. LI and CubaLI: the membrane is the output. A spike's reset is NIR's, at once, or snnTorch's
default, one step later (`Reset.delay`).
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from snntorch import surrogate
from torch import Tensor, nn

Mechanism = Literal["subtract", "zero", "file"]


@dataclass(frozen=True)
class Reset:
    """What a spike does to the membrane: subtracts the threshold, sets it to zero or to the file's v_reset; at once,
    or with the next step's update (`delay`)."""

    mechanism: Mechanism = "file"
    delay: bool = False


@dataclass(frozen=True)
class Constants:
    """Of neurons, float64 of the neurons' shape, as in the equations above. threshold, v_reset: None of those that do
    not spike; alpha, w_in: None of those without a synapse."""

    beta: np.ndarray
    gain: np.ndarray
    leak: np.ndarray
    threshold: np.ndarray | None = None
    v_reset: np.ndarray | None = None
    alpha: np.ndarray | None = None
    w_in: np.ndarray | None = None


class State(NamedTuple):
    """Of neurons after a step, [B, ...] each; synapse: None where there is none."""

    membrane: Tensor
    synapse: Tensor | None


class Neurons(nn.Module):
    """Neurons of a NIR node; their constants are buffers, float32. Gradients pass a spike by snnTorch's arctan, and no
    reset."""

    def __init__(self, constants: Constants, reset: Reset) -> None:
        super().__init__()
        self.constants, self.reset = constants, reset
        for name, value in vars(constants).items():
            self.register_buffer(name, None if value is None else torch.as_tensor(value, dtype=torch.float32))
        if reset.mechanism == "zero" and self.v_reset is not None:
            self.v_reset = torch.zeros_like(self.v_reset)
        self.spike = surrogate.atan()

    def forward(self, values: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Spikes, or membrane potentials of neurons that do not spike, and the state after a step on values [B, ...];
        without a state they are at rest."""
        if self.alpha is not None:
            values = self.w_in * values
            if state is not None:
                values = self.alpha * state.synapse + values
        synapse = None if self.alpha is None else values
        drive = self.gain * values + self.leak
        if self.threshold is None:
            potential = drive if state is None else self.beta * state.membrane + drive
            return potential, State(potential, synapse)
        potential = drive if state is None else self._advance(state.membrane, drive)
        spikes = self.spike(potential - self.threshold)
        return spikes, State(potential if self.reset.delay else self._reset(potential), synapse)

    def _advance(self, potential: Tensor, drive: Tensor) -> Tensor:
        """The next potential, in snnTorch's order of operations: subtraction last."""
        if not self.reset.delay:
            return self.beta * potential + drive
        if self.reset.mechanism == "subtract":
            return self.beta * potential + drive - self.threshold * self._fired(potential)
        return self.beta * self._reset(potential) + drive

    def _reset(self, potential: Tensor) -> Tensor:
        if self.reset.mechanism == "subtract":
            return potential - self.threshold * self._fired(potential)
        return torch.where(self._fired(potential), self.v_reset, potential)

    def _fired(self, potential: Tensor) -> Tensor:
        return potential.detach() > self.threshold
