"""Networks as users of SpikingJelly write them."""

import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

STEPS = 5


def neurons(kind: str = "LIFNode", **given: object) -> nn.Module:
    options = {"v_threshold": 0.3, "surrogate_function": surrogate.ATan(), **given}
    return getattr(neuron, kind)(**options)


class TwoLayers(nn.Module):
    """One step a call in step_mode "s", all steps in "m"."""

    def __init__(self, kind: str = "LIFNode", step_mode: str = "s", **given: object) -> None:
        super().__init__()
        self.flatten = layer.Flatten()
        self.fc1, self.lif1 = layer.Linear(36, 12), neurons(kind, **given)
        self.fc2, self.lif2 = layer.Linear(12, 4), neurons(kind, **given)
        functional.set_step_mode(self, step_mode)

    def forward(self, x: Tensor) -> Tensor:
        return self.lif2(self.fc2(self.lif1(self.fc1(self.flatten(x)))))


class Inside(TwoLayers):
    """Samples [B, ...] in step_mode "s"; the loop over time inside; returns the mean spikes."""

    def forward(self, x: Tensor) -> Tensor:
        return sum(TwoLayers.forward(self, x) for _ in range(STEPS)) / STEPS


def convolutional(step_mode: str = "s") -> nn.Sequential:
    """Convolution, BatchNorm, three kinds of neurons; dropout keeps its mask over the steps."""
    net = nn.Sequential(
        layer.Conv2d(1, 4, 3, padding=1, bias=False),
        layer.BatchNorm2d(4),
        neurons("IFNode", v_reset=None),
        layer.MaxPool2d(2),
        layer.Flatten(),
        layer.Dropout(0.2),
        layer.Linear(36, 12),
        neurons("ParametricLIFNode", decay_input=False),
        nn.Linear(12, 4),  # torch's own takes all steps, too
        neurons(v_threshold=0.1),
    )
    functional.set_step_mode(net, step_mode)
    return net


def merged() -> nn.Sequential:
    """All steps; the convolution sees time and samples in one dimension."""
    return nn.Sequential(
        layer.SeqToANNContainer(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.Flatten()),
        neurons(step_mode="m"),
        layer.SeqToANNContainer(nn.Linear(36, 4)),
        neurons(step_mode="m"),
    )


def seeded(make: object, *arguments: object, **given: object) -> nn.Module:
    torch.manual_seed(0)
    return make(*arguments, **given)
