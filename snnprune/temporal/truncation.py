"""Runs a network for the first few of its time steps."""

import torch
from torch import Tensor

from snnprune.core.dataset import Split
from snnprune.core.seeds import derive_seed
from snnprune.snn.encoding import encode, is_constant
from snnprune.snn.network import Observe, SpikingNetwork, run_fused
from snnprune.training.evaluate import BATCH_SIZE, ENCODING_SEED


def first_steps(
    network: SpikingNetwork, images: Tensor, steps: int, *, seed: int | None = None, observe: Observe | None = None
) -> Tensor:
    """Output spikes [steps, B, classes] of images [B, C, H, W]: only these steps are computed.

    `observe` is called with every layer's input on the way (`network.run_fused`).

    The encoding is drawn for all T steps of the network and cut, so that a shorter run sees the beginning of the same
    input (latency coding places its spikes by T).

    Raises:
        ValueError: `steps` is not within 1..T.
    """
    spec = network.spec
    if not 1 <= steps <= spec.timesteps:
        raise ValueError(f"steps must be 1..{spec.timesteps}, the network's time steps; found {steps}")
    encoded = encode(images, spec.encoding, spec.timesteps, seed)
    constant = is_constant(spec.encoding)
    return run_fused(network.layers, encoded if constant else encoded[:steps], steps, constant, observe)


@torch.no_grad()
def spikes_of(network: SpikingNetwork, split: Split, steps: int | None = None) -> Tensor:
    """Output spikes [steps, N, classes] of a split in evaluation mode (all T steps when `steps` is None).

    Random encodings are seeded per batch as in `evaluate.spike_counts`, so both see the same input.
    """
    training = network.training
    network.eval()
    spikes = [
        first_steps(network, images, steps or network.spec.timesteps, seed=derive_seed(ENCODING_SEED, index))
        for index, images in enumerate(split.images.split(BATCH_SIZE))
    ]
    network.train(training)
    return torch.cat(spikes, dim=1)


def accuracy_by_step(spikes: Tensor, labels: Tensor) -> Tensor:
    """Accuracy [T] (0..1) of the class with the most spikes up to each step, from spikes [T, N, classes]."""
    return (spikes.cumsum(0).argmax(2) == labels).double().mean(1)
