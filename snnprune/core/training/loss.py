"""The training loss: cross-entropy on spike counts, alone or with distillation from the dense net."""

import math
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.core.params import Direct, Frames, Latency
from snnprune.core.training.batch import Batch, shifted
from snnprune.core.training.evaluate import batch_size
from snnprune.core.training.params import Distillation, FitParams

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # spike counts [B, classes], images or frames [B, ...], labels [B]
BatchLoss = Callable[[Tensor, Batch], Tensor]
Targets = Callable[[Batch], Tensor]  # the dense net's spike counts [B, classes]


def cross_entropy(counts: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the labels [B] under the softmax of the spike counts [B, classes]."""
    return functional.cross_entropy(counts, labels)


def of_batch(loss: Loss) -> BatchLoss:
    """`loss` on a batch's images and labels."""
    return lambda counts, batch: loss(counts, batch.images, batch.labels)


CROSS_ENTROPY = of_batch(cross_entropy)


def distilled(targets: Targets, params: Distillation, base: Loss = cross_entropy) -> BatchLoss:
    """The loss `base` mixed with the divergence from the dense net's distribution; see `Distillation`."""

    def loss(counts: Tensor, batch: Batch) -> Tensor:
        target = functional.log_softmax(targets(batch) / params.temperature, dim=1)
        found = functional.log_softmax(counts / params.temperature, dim=1)
        divergence = functional.kl_div(found, target, reduction="batchmean", log_target=True)
        soft = params.temperature**2 * divergence
        return (1 - params.weight) * base(counts, batch.images, batch.labels) + params.weight * soft

    return loss


def taught_by(teacher: SpikingNetwork) -> Targets:
    """The spike counts of `teacher`, in evaluation mode, on the very images that the network sees."""
    teacher.eval()

    @torch.no_grad()
    def targets(batch: Batch) -> Tensor:
        return teacher(batch.images)

    return targets


def can_be_tabled(teacher: SpikingNetwork, params: FitParams, epochs: int) -> bool:
    """Whether `table_of` says all about what `teacher` is asked: it draws nothing, samples are moved by whole pixels
    and steps at most, and `epochs` over the samples ask more than the table costs."""
    draws_nothing = isinstance(teacher.spec.encoding, Direct | Latency | Frames)
    return draws_nothing and not params.augment.interpolates and math.prod(map(len, _ranges(params))) <= epochs


@torch.no_grad()
def table_of(teacher: SpikingNetwork, split: Split, params: FitParams) -> Tensor:
    """The spike counts of `teacher` for every shift and sample, [shifts, N, classes] (uint8; int32 if T > 255)."""
    kind = torch.uint8 if teacher.spec.timesteps < 256 else torch.int32
    found = []
    with evaluating(teacher):
        for shift in product(*_ranges(params)):
            batches = torch.arange(len(split.labels)).split(batch_size(split))
            moved = (shifted(split.images, rows, torch.tensor([shift] * len(rows))) for rows in batches)
            found.append(torch.cat([teacher(images).to(kind) for images in moved]))
    return torch.stack(found)


def looked_up(table: Tensor, params: FitParams) -> Targets:
    """What `table_of` holds."""
    ranges = _ranges(params)

    def targets(batch: Batch) -> Tensor:
        place = 0
        for by, allowed in zip(batch.shift.unbind(1), ranges, strict=True):
            place = place * len(allowed) + by - allowed.start
        return table[place, batch.rows].float()

    return targets


def _ranges(params: FitParams) -> tuple[range, ...]:
    """By what a sample may be moved, in the order of `Batch.shift`."""
    reaches = (params.augment.shift, params.augment.shift, params.augment.jitter)
    return tuple(range(-reach, reach + 1) for reach in reaches)
