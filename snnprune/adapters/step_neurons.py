"""snnTorch's neurons as plain constants: what an export needs of them, whatever their class."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import snntorch
import torch
from torch import Tensor, nn

from snnprune.adapters.neurons import DELAYED, reset_of
from snnprune.core.errors import NotFiniteError, UserError
from snnprune.core.lif import MultiStepLeaky

StepReset = Literal["subtract", "zero", "whole", "none"]
Gives = Literal["spikes", "potential"]
ALLOWED = (snntorch.Leaky, snntorch.Synaptic, snntorch.RLeaky, snntorch.RSynaptic)


@dataclass(frozen=True)
class StepNeurons:
    """Neurons of one step on a current x, in the order of snnTorch's operations:

        synapse   i[t] = alpha i[t-1] + x[t]; without alpha i = x
        membrane  u[t] = beta u[t-1] + i[t] - reset, then s[t] = 1 if u[t] > threshold else 0

    beta, threshold: float32, one value or one for each neuron, in their shape; alpha: the same, or None.
    reset, where u[t-1] > threshold: `subtract` the threshold; `zero`: u[t-1] counts as 0; `whole`: u[t] is 0 (what
    snnTorch's RLeaky, Synaptic and RSynaptic do when they reset to zero); `none`.
    delayed: it acts at the next step only; else u[t] also loses s[t] times as much at once, less what it lost already.
    gives: s[t], or u[t] at the end of the step.
    """

    beta: np.ndarray
    threshold: np.ndarray
    alpha: np.ndarray | None
    reset: StepReset
    delayed: bool
    gives: Gives = "spikes"


def step_neurons(name: str, neuron: nn.Module, shape: tuple[int, ...], gives: Gives = "spikes") -> StepNeurons:
    """Of a neuron of snnTorch, without the recurrent weights it may have. shape: of its spikes, without the batch.
    Raises UserError: a neuron of another class, or with inhibition, quantised states or graded spikes. Raises
    NotFiniteError: a constant is NaN or infinite."""
    require_known(name, neuron)
    if neuron.inhibition or neuron.state_quant or neuron.graded_spikes_factor.ne(1).any():
        raise UserError(
            f"{name}: neurons with inhibition, quantised states or graded spikes cannot be exported; found one of them"
        )
    reset = reset_of(neuron)
    constants = {"beta": neuron.beta.clamp(0, 1), "threshold": neuron.threshold}
    if has_synapse := hasattr(neuron, "alpha"):
        constants["alpha"] = neuron.alpha.clamp(0, 1)
    arrays = {key: _constants(f"{name}.{key}", value, shape) for key, value in constants.items()}
    return StepNeurons(
        beta=arrays["beta"],
        threshold=arrays["threshold"],
        alpha=arrays["alpha"] if has_synapse else None,
        reset="whole" if reset == "zero" and not isinstance(neuron, snntorch.Leaky) else reset,
        delayed=bool(getattr(neuron, DELAYED, True)),
        gives=gives,
    )


def require_known(name: str, neuron: nn.Module) -> None:
    """Raises UserError: it is a neuron of another class."""
    if type(neuron) not in (*ALLOWED, MultiStepLeaky):  # the latter is the library's own Leaky
        allowed = ", ".join(kind.__name__ for kind in ALLOWED)
        raise UserError(f"{name}: {type(neuron).__name__} cannot be exported; possible are snnTorch's {allowed}")


def _constants(name: str, value: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    array = torch.as_tensor(value).detach().cpu().float().numpy()
    if not np.isfinite(array).all():
        raise NotFiniteError(f"{name}: values are NaN or infinite")
    return array.reshape(-1).copy() if array.size == 1 else np.broadcast_to(array, shape).copy()
