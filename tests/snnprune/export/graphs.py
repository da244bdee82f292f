"""Networks that are no plain sequence, with sums that are exact in float32 in whatever order: weights are multiples of
1/64, inputs of 1/16, constants of neurons of 1/4: a form that computes the same gives the same spikes, to the bit."""

import math

import snntorch as snn
import torch
from torch import Tensor, nn

from snnprune.adapters.adapt import adapt
from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.params import Frames

STEPS = 8


class Residual(nn.Module):
    """Convolutions of every option, BatchNorm before and behind them, pooling, two residual sums, learned beta."""

    def __init__(self, pool: nn.Module, conv: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.lif1 = snn.Leaky(beta=0.5, learn_beta=True, reset_mechanism="zero")
        self.conv2 = conv or nn.Conv2d(4, 4, (3, 1), padding=(2, 0), dilation=(2, 1), groups=2)
        self.lif2 = snn.Leaky(beta=torch.linspace(0, 0.75, 4)[:, None, None], threshold=0.5)
        self.norm2, self.pool = nn.BatchNorm2d(4), pool
        self.conv3, self.drop = nn.Conv2d(4, 6, 2, stride=2), nn.Dropout(0.5)
        size = math.prod(self.conv3(pool(torch.zeros(1, 4, 8, 8))).shape)
        self.fc1, self.skip = nn.Linear(size, 12), nn.Linear(64, 12, bias=False)
        self.lif3 = snn.Leaky(beta=torch.arange(12) % 4 / 4, learn_threshold=True)
        self.fc2, self.lif4 = nn.Linear(12, 8), snn.Leaky(beta=0.5, threshold=0.5)

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2, mem3, mem4 = (neuron.reset_mem() for neuron in (self.lif1, self.lif2, self.lif3, self.lif4))
        spikes = []
        for _ in range(STEPS):
            spk1, mem1 = self.lif1(self.norm1(self.conv1(x)), mem1)
            spk2, mem2 = self.lif2(self.conv2(spk1) + spk1, mem2)
            hidden = self.conv3(self.pool(self.norm2(spk2)))
            spk3, mem3 = self.lif3(self.fc1(self.drop(hidden.flatten(1))) + self.skip(x.flatten(1)), mem3)
            spk4, mem4 = self.lif4(self.fc2(spk3), mem4)
            spikes.append(spk4)
        return torch.stack(spikes)


class Recurrent(nn.Module):
    """Recurrent, synaptic and plain neurons, all with one reset; with `conv` these are of an image for a while."""

    def __init__(self, reset: str, delay: bool, conv: bool = True) -> None:
        super().__init__()
        hidden = {"init_hidden": True, "reset_mechanism": reset}
        options = {**hidden, "reset_delay": delay}
        self.fc1, self.syn = nn.Linear(64, 12), snn.Synaptic(alpha=0.5, beta=torch.rand(12).gt(0.5) / 2, **options)
        self.conv, self.leaky = nn.Conv1d(3, 2, 2, padding="same") if conv else None, snn.Leaky(beta=0.25, **options)
        self.fc2, self.rec = (
            nn.Linear(8 if conv else 12, 8),
            snn.RLeaky(beta=0.5, threshold=0.5, linear_features=8, **options),
        )
        self.one = snn.RLeaky(beta=0.5, all_to_all=False, V=0.5, threshold=0.5, **options)
        self.fc3, self.last = nn.Linear(8, 8), snn.RSynaptic(alpha=0.25, beta=0.5, linear_features=8, **hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = self.syn(self.fc1(x.flatten(1)))
        x = x if self.conv is None else self.conv(x.view(-1, 3, 4))
        return self.last(self.fc3(self.one(self.rec(self.fc2(self.leaky(x).flatten(1))))))


class Currents(nn.Module):
    """The last layer has no neurons: its currents are summed up; one step of frames a call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif = nn.Conv2d(2, 3, 3), snn.Leaky(beta=0.5, init_hidden=True)
        self.fc = nn.Linear(3 * 2 * 3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lif(self.conv(x)).flatten(1))


def adapted(net: nn.Module, **options: object) -> AdaptedNetwork:
    """With weights of which half is zero, some neurons being silent or firing by themselves."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
                for tensor in (module.weight, module.running_var):
                    tensor.copy_(4.0 ** torch.randint(-1, 2, tensor.shape, generator=generator))
                for tensor in (module.running_mean, module.bias):
                    tensor.copy_(torch.randint(-8, 9, tensor.shape, generator=generator) / 16)
            elif isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
                kept = torch.rand(module.weight.shape, generator=generator) < 0.5
                module.weight.copy_(kept * torch.randint(-64, 65, kept.shape, generator=generator) / 64)
                if module.bias is not None:
                    module.bias.copy_(torch.randint(-8, 16, module.bias.shape, generator=generator) / 64)
    images = frames() if isinstance(options.get("encoding"), Frames) else samples()
    return adapt(net.eval(), images, fast=False, **options).network


def samples() -> Tensor:
    """Images [B, 1, 8, 8], of different contrast."""
    generator = torch.Generator().manual_seed(1)
    contrast = torch.randint(1, 9, (40, 1, 1, 1), generator=generator) / 8
    return contrast * torch.randint(-8, 9, (40, 1, 8, 8), generator=generator) / 4


def frames() -> Tensor:
    """Frames [B, T, 2, 4, 5]."""
    return torch.randint(0, 3, (40, STEPS, 2, 4, 5), generator=torch.Generator().manual_seed(1)).float()
