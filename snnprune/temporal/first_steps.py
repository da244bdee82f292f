"""Training of a network that is to run for fewer steps than it was trained with."""

from torch import Tensor

from snnprune.core.network import SpikingNetwork


class FirstSteps(SpikingNetwork):
    """A network's first `steps` time steps alone, for training. It shares the layers of `network`: what is trained here
    is trained there. The input is the beginning of that of all T steps, as in a truncated run."""

    def __init__(self, network: SpikingNetwork, steps: int) -> None:
        """Raises ValueError: `steps` is not within 1..T."""
        if not 1 <= steps <= network.spec.timesteps:
            raise ValueError(f"steps must be 1..{network.spec.timesteps}, the network's time steps; found {steps}")
        super().__init__(network.spec, network.layers, network.origin)
        self.steps = steps

    def forward(self, images: Tensor, *, seed: int | None = None) -> Tensor:
        """Spike counts [B, classes] times T / `steps`: as many spikes as T steps have at the same rates. So the loss,
        which is a softmax of counts, has the scale that the network was trained with, and a teacher of T steps gives
        distributions that the network can reach."""
        counts = self.spikes(images, steps=self.steps, seed=seed).sum(0)
        return counts * (self.spec.timesteps / self.steps)
