"""Networks as users of snnTorch write them, one for each convention of its tutorials."""

import snntorch as snn
import torch
from snntorch import surrogate
from torch import Tensor, nn

from snnprune.pruning.registry import available

STEPS = 5
PLAIN_ALONE = ("obs", "synflow")  # these take apart a plain sequence of layers
METHODS = [name for name in available() if name not in PLAIN_ALONE]


class Static(nn.Module):
    """Tutorial 5: static images, the loop over time inside, explicit states; returns (spikes, membranes)."""

    def __init__(self, **neuron: object) -> None:
        super().__init__()
        self.fc1 = nn.Linear(36, 12)
        self.lif1 = snn.Leaky(beta=0.9, threshold=0.3, **neuron)
        self.fc2 = nn.Linear(12, 4)
        self.lif2 = snn.Leaky(beta=0.9, threshold=0.3, **neuron)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, membranes = [], []
        for _ in range(STEPS):
            spk1, mem1 = self.lif1(self.fc1(x.flatten(1)), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            membranes.append(mem2)
        return torch.stack(spikes), torch.stack(membranes)


class Vector(Static):
    """The same on vectors [B, 36]; returns the spikes alone."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 2:
            raise ValueError(f"expected [B, 36], found {list(x.shape)}")
        return super().forward(x)[0]


class Lists(Static):
    """Returns lists of the steps' spikes and membranes."""

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        spikes, membranes = super().forward(x)
        return list(spikes), list(membranes)


class ListOfSpikes(Static):
    """Returns a list of the steps' spikes."""

    def forward(self, x: Tensor) -> list[Tensor]:
        return list(super().forward(x)[0])


class ListOfPairs(Static):
    """Returns a list of (spikes, membranes), one for each step."""

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        return list(zip(*super().forward(x), strict=True))


class Summed(Static):
    """Returns the spike counts [B, classes]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[0].sum(0)


class Sequence(Static):
    """Tutorial 7: takes all steps [T, B, ...], and loops over them."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, membranes = [], []
        for step in range(x.size(0)):
            spk1, mem1 = self.lif1(self.fc1(x[step].flatten(1)), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            membranes.append(mem2)
        return torch.stack(spikes, dim=0), torch.stack(membranes, dim=0)


class Step(nn.Module):
    """Tutorial 6: one step a call, hidden states, the caller loops; returns (spikes, membranes)."""

    def __init__(self, **neuron: object) -> None:
        super().__init__()
        self.fc1 = nn.Linear(36, 12)
        self.lif1 = snn.Leaky(beta=0.9, threshold=0.3, init_hidden=True, **neuron)
        self.fc2 = nn.Linear(12, 4)
        self.lif2 = snn.Leaky(beta=0.9, threshold=0.3, init_hidden=True, output=True, **neuron)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.lif2(self.fc2(self.lif1(self.fc1(x.flatten(1)))))


def sequential() -> nn.Sequential:
    """Tutorial 6's convolutional net: a Sequential with hidden states, pooling before the neurons."""
    hidden = {"beta": 0.5, "threshold": 0.3, "init_hidden": True, "spike_grad": surrogate.fast_sigmoid(slope=25)}
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), snn.Leaky(**hidden), nn.Flatten(), nn.Linear(16, 4),
        snn.Leaky(**hidden, output=True),
    )  # fmt: skip


class Residual(nn.Module):
    """A learned beta, BatchNorm, average-pooling, and a residual sum; tutorial 5's loop."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.lif1 = snn.Leaky(beta=0.8, learn_beta=True, threshold=0.5)
        self.pool = nn.AvgPool2d(2)
        self.fc1 = nn.Linear(36, 12)
        self.skip = nn.Linear(36, 12)
        self.lif2 = snn.Leaky(beta=torch.rand(12), learn_beta=True, threshold=0.5, learn_threshold=True)
        self.fc2 = nn.Linear(12, 4)
        self.lif3 = snn.Leaky(beta=0.8, threshold=0.5, reset_mechanism="zero")

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2, mem3 = self.lif1.init_leaky(), self.lif2.init_leaky(), self.lif3.init_leaky()
        spikes = []
        for _ in range(STEPS):
            spk1, mem1 = self.lif1(self.norm(self.conv(x)), mem1)
            spk2, mem2 = self.lif2(self.fc1(self.pool(spk1).flatten(1)) + self.skip(x.flatten(1)), mem2)
            spk3, mem3 = self.lif3(self.fc2(spk2), mem3)
            spikes.append(spk3)
        return torch.stack(spikes)


class Recurrent(nn.Module):
    """RLeaky, then RSynaptic, with dense recurrent weights; one step a call."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(36, 12)
        self.rlif = snn.RLeaky(beta=0.9, threshold=0.3, linear_features=12, init_hidden=True)
        self.fc2 = nn.Linear(12, 4)
        self.rsyn = snn.RSynaptic(alpha=0.5, beta=0.9, threshold=0.3, linear_features=4, init_hidden=True, output=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        spikes, _, membranes = self.rsyn(self.fc2(self.rlif(self.fc1(x.flatten(1)))))
        return spikes, membranes


class Kinds(nn.Module):
    """Lapicque, Synaptic and 1-to-1 recurrence, a Conv1d, and a last layer without neurons."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(6, 3, 3)
        self.lap = snn.Lapicque(beta=0.9, threshold=0.3, init_hidden=True)
        self.fc1 = nn.Linear(12, 8)
        self.syn = snn.Synaptic(alpha=0.5, beta=0.9, threshold=0.3, init_hidden=True, reset_delay=False)
        self.rec = snn.RLeaky(beta=0.9, threshold=0.3, all_to_all=False, V=0.5, init_hidden=True)
        self.fc2 = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.syn(self.fc1(self.lap(self.conv(x.squeeze(1))).flatten(1)))
        return self.fc2(self.rec(hidden))
