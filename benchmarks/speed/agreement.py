"""Whether the forms compute the same: spike counts, and gradients of the synapses that are left."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.speed.case import Case
from benchmarks.speed.forms import BEFORE, OURS, Forward, before_forward, loop_forward
from snnprune.core.network import SpikingNetwork
from snnprune.pruning.finetune import kept_alone
from snnprune.sparse.linear import SparseLinear


@dataclass(frozen=True)
class Agreement:
    """Of a form with the snnTorch loop: the share of spike counts that differ, and the gradients' relative error. Both
    are near zero, not zero, where another order of summation tips a membrane over its threshold."""

    counts_differing: float
    gradient_error: float


def agreements(case: Case) -> dict[str, Agreement]:
    """By form, after one forward and backward pass."""
    ours, before, loop = case.copy(), case.copy(), case.copy()
    expected = _pass(case, loop, loop_forward(loop))
    with kept_alone(ours, case.mask):
        found = {OURS: _pass(case, ours, ours), BEFORE: _pass(case, before, before_forward(before))}
    return {name: _compare(one, expected) for name, one in found.items()}


def _pass(case: Case, network: SpikingNetwork, forward: Forward) -> tuple[Tensor, Tensor]:
    """Spike counts [B, classes] and the gradient of the kept synapses in one vector."""
    counts = forward(case.batch.images)
    functional.cross_entropy(counts, case.batch.labels).backward()
    gradients = []
    for name, kept in case.mask.items():
        layer = network.get_submodule(name.removesuffix(".weight"))
        gradients.append(layer.values.grad if isinstance(layer, SparseLinear) else layer.weight.grad[kept])
    return counts.detach(), torch.cat(gradients)


def _compare(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> Agreement:
    (counts, gradient), (other_counts, other_gradient) = found, expected
    error = (gradient - other_gradient).norm() / other_gradient.norm()
    return Agreement((counts != other_counts).float().mean().item(), error.item())
