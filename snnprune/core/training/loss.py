"""The training loss: cross-entropy on spike counts, alone or with distillation from the dense net."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from snnprune.core.network import SpikingNetwork
from snnprune.core.training.params import Distillation

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # spike counts [B, classes], images [B, C, H, W], labels [B]


def cross_entropy(counts: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the labels [B] under the softmax of the spike counts [B, classes]."""
    return functional.cross_entropy(counts, labels)


def distilled(teacher: SpikingNetwork, params: Distillation, base: Loss = cross_entropy) -> Loss:
    """The loss `base` mixed with the divergence from `teacher`'s distribution; see `Distillation`. `teacher` is put
    into evaluation mode; it sees the very images that the network sees."""
    teacher.eval()

    def loss(counts: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            target = functional.log_softmax(teacher(images) / params.temperature, dim=1)
        found = functional.log_softmax(counts / params.temperature, dim=1)
        divergence = functional.kl_div(found, target, reduction="batchmean", log_target=True)
        soft = params.temperature**2 * divergence
        return (1 - params.weight) * base(counts, images, labels) + params.weight * soft

    return loss
