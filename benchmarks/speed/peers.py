"""The same net in other libraries, where they are installed. Each in its fast way: layer by layer over all steps, the
constant first product computed once."""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork

PEERS = {"SpikingJelly": "spikingjelly", "norse": "norse"}  # by name the package


def missing_peers() -> list[str]:
    """Those that are not installed."""
    return [name for name, package in PEERS.items() if importlib.util.find_spec(package) is None]


def installed_peers() -> dict[str, Callable[[SpikingNetwork], nn.Module]]:
    """By name what makes the peer of a network: a module that gives spike counts [B, classes] of images [B, C, H, W].
    Its neurons differ: reset by subtraction takes place before the leak, and norse's surrogate is SuperSpike."""
    makers = {"SpikingJelly": _SpikingJelly, "norse": _Norse}
    missing = missing_peers()
    return {name: make for name, make in makers.items() if name not in missing}


class _Peer(nn.Module, ABC):
    def __init__(self, network: SpikingNetwork) -> None:
        super().__init__()
        self.steps = network.spec.timesteps
        self.layers = nn.Sequential(
            *(self.neurons(layer) if isinstance(layer, MultiStepLeaky) else layer for layer in network.layers[1:])
        )

    @abstractmethod
    def neurons(self, neurons: MultiStepLeaky) -> nn.Module:
        """The peer's neurons for ours."""

    def forward(self, images: Tensor) -> Tensor:
        first, *rest = self.layers
        values = first(images.flatten(1)).expand(self.steps, -1, -1)
        for layer in rest:
            values = layer(values)
        return values.sum(0)


class _SpikingJelly(_Peer):
    def neurons(self, neurons: MultiStepLeaky) -> nn.Module:
        from spikingjelly.activation_based import neuron, surrogate

        return neuron.LIFNode(
            tau=1 / (1 - neurons.beta.item()),
            decay_input=False,
            v_threshold=neurons.threshold.item(),
            v_reset=None,
            surrogate_function=surrogate.ATan(alpha=neurons.surrogate.slope),
            detach_reset=True,
            step_mode="m",
        )

    def forward(self, images: Tensor) -> Tensor:
        from spikingjelly.activation_based import functional

        functional.reset_net(self)
        return super().forward(images)


class _Norse(_Peer):
    def neurons(self, neurons: MultiStepLeaky) -> nn.Module:
        return _NorseNeurons(neurons.beta.item(), neurons.threshold.item())


class _NorseNeurons(nn.Module):
    def __init__(self, beta: float, threshold: float) -> None:
        from norse.torch import LIFBoxCell, LIFBoxParameters, Lift
        from norse.torch.functional.reset import reset_subtract

        super().__init__()
        self.gain = 1 / (1 - beta)  # norse's neurons leak their input, too
        params = LIFBoxParameters(tau_mem_inv=1.0, v_th=threshold, reset_method=reset_subtract)
        self.cell = Lift(LIFBoxCell(params, dt=1 - beta))

    def forward(self, current: Tensor) -> Tensor:
        spikes, _ = self.cell(current * self.gain)
        return spikes
