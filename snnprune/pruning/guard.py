"""Keeps pruned synapses pruned through fine-tuning, and proves it at every step. Adam's first moment would revive them
("zombie weights"): a synapse pruned while its moment is not zero moves on. So gradients, moments and weights are all
masked around every step, and the invariant is checked, not assumed."""

from dataclasses import dataclass

import torch
from torch import nn

from snnprune.core.training.fit import StepHooks
from snnprune.pruning.mask import Mask, prunable_weights


class ZombieError(RuntimeError):
    """A pruned synapse is nonzero after an optimiser step."""


@dataclass(frozen=True)
class Guards:
    """What is masked around a step; the zombie study switches these on one by one. `check` raises on a zombie."""

    gradients: bool = True
    moments: bool = True
    weights: bool = True
    check: bool = True


class MaskGuard(StepHooks):
    """Masks gradients before, moments and weights after each step of `optimizer`, then checks the invariant."""

    def __init__(
        self, network: nn.Module, optimizer: torch.optim.Optimizer, mask: Mask, guards: Guards = Guards()
    ) -> None:
        """Zero the pruned weights (and their moments) now. Raises ValueError unless `mask` fits the network. A mask of
        some of the network's layers leaves the others alone."""
        mask.require_fitting(network)
        found = prunable_weights(network)
        self._weights = {name: found[name] for name in mask}
        self._optimizer = optimizer
        self._guards = guards
        self._kept = {name: mask[name].to(weight.device, weight.dtype) for name, weight in self._weights.items()}
        self._pruned = {name: ~mask[name].to(weight.device) for name, weight in self._weights.items()}
        mask.apply(self._weights)
        if guards.moments:
            self._mask_moments()

    def before_step(self) -> None:
        """Mask the gradients."""
        if self._guards.gradients:
            for name, weight in self._weights.items():
                weight.grad.mul_(self._kept[name])

    def after_step(self) -> None:
        """Mask the optimiser's moments and the weights, then check."""
        if self._guards.moments:
            self._mask_moments()
        if self._guards.weights:
            for name, weight in self._weights.items():
                weight.data.mul_(self._kept[name])
        if self._guards.check:
            self.check()

    @torch.no_grad()
    def zombies(self) -> int:
        """Pruned synapses whose weight is not zero (NaN counts as not zero)."""
        return sum(int((w.ne(0) & self._pruned[name]).count_nonzero()) for name, w in self._weights.items())

    def check(self) -> None:
        """The invariant: every pruned synapse is zero. Raises ZombieError where it does not hold."""
        if zombies := self.zombies():
            raise ZombieError(f"{zombies} pruned synapses are not zero after an optimiser step")

    def _mask_moments(self) -> None:
        for name, weight in self._weights.items():
            for value in self._optimizer.state.get(weight, {}).values():
                if torch.is_tensor(value) and value.shape == weight.shape:
                    value.mul_(self._kept[name])
