"""One time step of NIR's neurons in plain torch.

Forward Euler with a step of dt, as snnTorch and norse read NIR (the synapse's new current drives the membrane):

    synapse (CubaLI, CubaLIF)  i[t] = alpha * i[t-1] + w_in * x[t]        alpha = 1 - dt/tau_syn, w_in = w_in dt/tau_syn
    membrane                   u[t] = beta * u[t-1] + gain * i[t] + leak  beta = 1 - dt/tau, gain = r dt/tau,
                                                                          leak = v_leak dt/tau; i = x without a synapse
    spike                      s[t] = 1 if u[t] > threshold else 0

IF: beta 1, gain r dt. LI and CubaLI: the membrane is the output. A spike's reset is NIR's, at once, or snnTorch's, one
step later (`Reset.delay`, its default) or at once (`Reset.as_snntorch`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from snntorch import SpikingNeuron
from torch import Tensor, nn

Mechanism = Literal["subtract", "zero", "file"]
Gives = Literal["spikes", "potential"]


@dataclass(frozen=True)
class Reset:
    """What a spike does to the membrane: subtracts the threshold, sets it to zero or to the file's v_reset; at once,
    or with the next step's update (`delay`). as_snntorch: of a subtraction at once, what snnTorch makes of a membrane
    that it leaves above the threshold: that loses another threshold with the next step's update, and after it s[t] - 1
    of them."""

    mechanism: Mechanism = "file"
    delay: bool = False
    as_snntorch: bool = False


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


class Membrane:
    """What neurons have that spike, and those that do not: constants as buffers, float32, and what drives them."""

    def hold(self, constants: Constants) -> None:
        """Keep the constants of the equations without spikes."""
        for name in ("beta", "gain", "leak", "alpha", "w_in"):
            self.register_buffer(name, _float32(getattr(constants, name)))

    def drive(self, values: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """What is added to the membrane and, where there is a synapse, its current."""
        if self.alpha is None:
            return (self.gain * values + self.leak,)
        synapse = self.w_in * values
        if state:
            synapse = self.alpha * state[1] + synapse
        return self.gain * synapse + self.leak, synapse


class Integrators(Membrane, nn.Module):
    """Neurons that do not spike."""

    def __init__(self, constants: Constants) -> None:
        super().__init__()
        self.constants = constants
        self.hold(constants)

    def forward(self, values: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Membrane potentials and the state after a step on values [B, ...]: the potentials again and, where there is a
        synapse, its current. Without a state the neurons were at rest."""
        drive, *synapse = self.drive(values, *state)
        potential = self.beta * state[0] + drive if state else drive
        return potential, potential, *synapse


class Neurons(Membrane, SpikingNeuron):
    """Neurons that spike: snnTorch's surrogate gradient (arctan) and threshold. No gradient passes a reset. `gives`:
    what they put out, spikes or the membrane potentials at the end of the step."""

    def __init__(self, constants: Constants, reset: Reset, gives: Gives = "spikes") -> None:
        super().__init__(_float32(constants.threshold))
        self.constants, self.reset, self.gives = constants, reset, gives
        self.hold(constants)
        v_reset = _float32(constants.v_reset)
        self.register_buffer("v_reset", torch.zeros_like(v_reset) if reset.mechanism == "zero" else v_reset)

    @property
    def kind(self) -> str:
        """What NIR calls such neurons."""
        if self.constants.alpha is not None:
            return "CubaLIF"
        return "IF" if (np.asarray(self.constants.beta) == 1).all() else "LIF"

    def forward(self, values: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """What the neurons give, and the state after a step on values [B, ...]: membrane potentials and, where there is
        a synapse, its current. Without a state the neurons were at rest."""
        drive, *synapse = self.drive(values, *state)
        potential = self._advance(state[0], drive) if state else drive
        following = potential if self.reset.delay else self._reset(potential, *state[:1])
        return following if self.gives == "potential" else self.fire(potential), following, *synapse

    def reset_mem(self) -> None:
        """Nothing: who calls it keeps its state."""

    def _advance(self, potential: Tensor, drive: Tensor) -> Tensor:
        """The next potential, in snnTorch's order of operations: subtraction last."""
        if not (self.reset.delay or self.reset.as_snntorch):
            return self.beta * potential + drive
        if self.reset.mechanism == "subtract":
            return self.beta * potential + drive - self.threshold * self._fired(potential)
        return self.beta * self._reset(potential) + drive

    def _reset(self, potential: Tensor, before: Tensor | None = None) -> Tensor:
        fired = self._fired(potential)
        if self.reset.mechanism != "subtract":
            return torch.where(fired, self.v_reset, potential)
        if self.reset.as_snntorch and before is not None:
            return potential - self.threshold * (fired.float() - self._fired(before).float())
        return potential - self.threshold * fired

    def _fired(self, potential: Tensor) -> Tensor:
        return potential.detach() > self.threshold


def _float32(value: np.ndarray | None) -> Tensor | None:
    return None if value is None else torch.as_tensor(value, dtype=torch.float32)
