"""Spikes and accuracy of a network on a split."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from snnprune.core.checkpoint import copy_parameters, load_parameters
from snnprune.core.dataset import Data, Split
from snnprune.core.fitting import fitting
from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.core.seeds import derive_seed
from snnprune.sparse.runtime import fastest_form

BATCH_SIZE = 1000
VALUES = 1 << 24  # of frames in a batch at most: 64 MiB
ENCODING_SEED = 1_000_003


def batch_size(split: Split) -> int:
    """Samples that are evaluated together; fewer of long recordings, whose layers' values would fill the memory."""
    samples = split.images
    return BATCH_SIZE if samples.dim() != 5 else min(BATCH_SIZE, max(1, VALUES // samples[0].numel()))


def evaluation_batches(split: Split) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Images, labels, and the seed of a random encoding, batch by batch: every evaluation sees the same input."""
    size = batch_size(split)
    pairs = zip(split.images.split(size), split.labels.split(size), strict=True)
    for index, (images, labels) in enumerate(pairs):
        yield images, labels, derive_seed(ENCODING_SEED, index)


@torch.no_grad()
def spikes_of(network: SpikingNetwork, split: Split, steps: int | None = None) -> Tensor:
    """Output spikes [steps, N, classes] of a split in evaluation mode, of the first `steps` time steps (None: all). A
    network with a sparse layer is compiled for it."""
    with evaluating(network):
        form = fastest_form(network)
        batches = [form.spikes(images, steps=steps, seed=seed) for images, _, seed in evaluation_batches(split)]
    return torch.cat(batches, dim=1)


def accuracy_by_step(spikes: Tensor, labels: Tensor) -> Tensor:
    """Accuracy [T] (0..1) of the class with the most spikes up to each step, from spikes [T, N, classes]."""
    return (spikes.cumsum(0).argmax(2) == labels).double().mean(1)


def accuracy(network: SpikingNetwork, data: Data) -> float:
    """Share of samples (0..1) whose class has the most spikes; among equals the lowest class index counts.

    data: images [N, C, H, W] or frames [N, T, C, H, W], and labels [N] (see `as_split`), on any device.
    Raises UserError: it is no network of the library's. Raises DataError: the data do not fit it.

    >>> from snnprune import build
    >>> accuracy(build([4, 2]), (torch.rand(8, 1, 2, 2), torch.zeros(8, dtype=int))) in [n / 8 for n in range(9)]
    True
    """
    split = fitting(network, data)
    return (spikes_of(network, split).sum(0).argmax(1) == split.labels).double().mean().item()


def accuracy_under(network: SpikingNetwork, factors: Mapping[str, Tensor], split: Split) -> float:
    """Accuracy (0..1) with the weights multiplied by `factors` (a mask, or a relaxed one); it is put back."""
    before = copy_parameters(network)
    with torch.no_grad():
        for name, factor in factors.items():
            weight = network.get_parameter(name)
            weight.mul_(factor.to(weight))
    found = accuracy(network, split)
    load_parameters(network, before)
    return found
