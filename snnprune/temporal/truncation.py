"""Spikes and accuracy of a network that is run for the first few of its time steps."""

import torch
from torch import Tensor

from snnprune.core.dataset import Split
from snnprune.core.seeds import derive_seed
from snnprune.snn.network import SpikingNetwork, first_steps
from snnprune.training.evaluate import BATCH_SIZE, ENCODING_SEED


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
