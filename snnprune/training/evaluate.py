"""Accuracy of a network on a split."""

import torch
from torch import Tensor

from snnprune.core.dataset import Data, Split, as_split
from snnprune.core.seeds import derive_seed
from snnprune.snn.network import SpikingNetwork

BATCH_SIZE = 1000
ENCODING_SEED = 1_000_003


@torch.no_grad()
def spike_counts(network: SpikingNetwork, split: Split) -> Tensor:
    """Spike counts [N, classes] in evaluation mode; random encodings are seeded per batch, so the result is fixed."""
    training = network.training
    network.eval()
    counts = [
        network(images, seed=derive_seed(ENCODING_SEED, index))
        for index, images in enumerate(split.images.split(BATCH_SIZE))
    ]
    network.train(training)
    return torch.cat(counts)


def accuracy(network: SpikingNetwork, data: Data) -> float:
    """Share of samples (0..1) whose class has the most spikes; among equals the lowest class index counts.

    data: images and labels (see `as_split`).

    >>> from snnprune import build
    >>> accuracy(build([4, 2]), (torch.rand(8, 1, 2, 2), torch.zeros(8, dtype=int))) in [n / 8 for n in range(9)]
    True
    """
    split = as_split(data)
    return (spike_counts(network, split).argmax(1) == split.labels).double().mean().item()
