"""Networks as users of norse write them."""

from typing import Any

import norse.torch as norse
import torch
from norse.torch.functional.reset import reset_subtract
from torch import Tensor, nn

STEPS = 5
LIF = norse.LIFParameters(v_th=torch.tensor(0.2), tau_mem_inv=torch.tensor(300.0))
BOX = norse.LIFBoxParameters(v_th=torch.tensor(0.2), tau_mem_inv=torch.tensor(300.0))
SOFT = BOX._replace(reset_method=reset_subtract)


def cells(make: Any = norse.LIFCell, parameters: Any = LIF) -> norse.SequentialState:
    """One step a call; states are passed on."""
    return norse.SequentialState(nn.Flatten(), nn.Linear(36, 12), make(parameters), nn.Linear(12, 4), make(parameters))


def all_steps() -> norse.SequentialState:
    """The same of LIF neurons, on all steps in one call."""
    return norse.SequentialState(nn.Flatten(2), nn.Linear(36, 12), norse.LIF(LIF), nn.Linear(12, 4), norse.LIF(LIF))


def convolutional() -> norse.SequentialState:
    """One step: a convolution, and recurrent neurons with weights of their own."""
    return norse.SequentialState(
        nn.Conv2d(1, 4, 3, padding=1), norse.LIFBoxCell(SOFT), nn.MaxPool2d(2), nn.Flatten(),
        norse.LIFRecurrentCell(36, 12, LIF), nn.Linear(12, 4), norse.LIFCell(LIF),
    )  # fmt: skip


def lifted() -> norse.SequentialState:
    """The same on all steps, with `Lift`."""
    return norse.SequentialState(
        norse.Lift(nn.Conv2d(1, 4, 3, padding=1)), norse.LIF(LIF), norse.Lift(nn.MaxPool2d(2)), nn.Flatten(2),
        norse.LIFRecurrent(36, 12, LIF), nn.Linear(12, 4), norse.LIF(LIF),
    )  # fmt: skip


def integrated() -> norse.SequentialState:
    """Ends with an integrator that does not spike: its output is potentials."""
    return norse.SequentialState(nn.Flatten(), nn.Linear(36, 12), norse.LIFCell(LIF), nn.Linear(12, 4), norse.LICell())


class Inside(nn.Module):
    """Samples [B, ...]; the loop over time inside; recurrent neurons first; returns a list of the steps' spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = norse.LIFRecurrentCell(36, 12, LIF)
        self.fc, self.lif = nn.Linear(12, 4), norse.LIFBoxCell(BOX)

    def forward(self, x: Tensor) -> list[Tensor]:
        first = last = None
        spikes = []
        for _ in range(STEPS):
            hidden, first = self.recurrent(x.flatten(1), first)
            out, last = self.lif(self.fc(hidden), last)
            spikes.append(out)
        return spikes


def seeded(make: Any, *arguments: Any) -> nn.Module:
    torch.manual_seed(0)
    return make(*arguments)
