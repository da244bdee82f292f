"""Fine-tuning during which the mask narrows: a level's synapses go in rounds, at optimiser steps spread evenly over the
first half, and the optimiser goes on with the moments of those that are left."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.fit import Epoch, StepHooks, fit, make_optimizer
from snnprune.core.training.params import FitParams
from snnprune.pruning.finetune import kept_alone
from snnprune.pruning.guard import MaskGuard
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.select import keep_counts
from snnprune.sparse.linear import SparseLinear

Narrow = Callable[[Mask, int], Mask]  # the mask so far, how many synapses to keep -> a mask inside it


def round_steps(rounds: int, steps: int) -> list[int]:
    """The step, of a fine-tuning of `steps` optimiser steps, before which each of the `rounds` happens: the first
    before any, the others evenly over the first half. With few steps several may fall on one."""
    return [done * steps // (2 * rounds) for done in range(rounds)]


def finetune_gradually(
    network: SpikingNetwork,
    mask: Mask,
    keep: int,
    rounds: int,
    narrow: Narrow,
    train: Split,
    validation: Split | None,
    params: FitParams,
    **options: Any,
) -> tuple[list[Epoch], Mask]:
    """`snnprune.pruning.finetune.finetune` from `mask` down to `keep` synapses in `rounds`; `options` are those of
    `fit`. The epochs, and the last round's mask. `narrow` sees the network as it is then, with plain layers. After an
    interruption rounds of whole epochs are not done again. Raises ZombieError: a pruned synapse came back."""
    optimizer = make_optimizer(network, params)
    with ExitStack() as forms:
        hooks = _Rounds(network, optimizer, mask, keep_counts(mask.nnz, keep, rounds), narrow, forms)
        epochs = fit(network, optimizer, train, validation, params, hooks=hooks, **options)
    return epochs, hooks.mask


class _Rounds(StepHooks):
    """Narrows the mask before the steps of the rounds, and guards it at every step."""

    def __init__(
        self,
        network: SpikingNetwork,
        optimizer: torch.optim.Adam,
        mask: Mask,
        keeps: list[int],
        narrow: Narrow,
        forms: ExitStack,
    ) -> None:
        self.mask = mask
        self._network, self._optimizer, self._keeps, self._narrow = network, optimizer, keeps, narrow
        self._forms = forms  # is what puts the plain layers back
        self._guard: MaskGuard | None = None
        self._done = 0  # rounds

    def at_step(self, step: int, steps: int) -> None:
        due = sum(at <= step for at in round_steps(len(self._keeps), steps))
        if due > self._done:
            moments = self._moments()
            self._forms.close()
            self._done, self.mask = due, self._narrow(self.mask, self._keeps[due - 1])
            self._take_form(moments)

    def before_step(self) -> None:
        if self._guard is not None:
            self._guard.before_step()

    def after_step(self) -> None:
        if self._guard is not None:
            self._guard.after_step()

    def state(self) -> dict[str, Any]:
        return {"done": self._done, "mask": dict(self.mask)}

    def restore(self, state: dict[str, Any]) -> None:
        self._forms.close()
        self._done, self.mask = state["done"], Mask(state["mask"])
        self._take_form({})

    def _take_form(self, moments: dict[str, dict[str, Tensor]]) -> None:
        """Give layers with few synapses the form that has no others, and the optimiser the parameters of now, with
        those of their `moments` that are left."""
        self.mask.apply(prunable_weights(self._network))
        rest = self._forms.enter_context(kept_alone(self._network, self.mask))
        self._optimizer.param_groups[0]["params"] = list(self._network.parameters())
        for name, state in moments.items():
            kept, parameter = self.mask[name].to(self._parameter(name).device), self._parameter(name)
            of_kept = parameter.shape != kept.shape
            self._optimizer.state[parameter] = {
                key: value if value.shape != kept.shape else value[kept] if of_kept else value * kept
                for key, value in state.items()
            }
        self._guard = MaskGuard(self._network, self._optimizer, rest) if rest else None

    def _moments(self) -> dict[str, dict[str, Tensor]]:
        """The optimiser's state of every weight that has one, each tensor in the weight's shape, taken from it."""
        found = {}
        for name, kept in self.mask.items():
            parameter = self._parameter(name)
            state = self._optimizer.state.pop(parameter, {})
            if state:
                found[name] = {
                    key: _spread(value, kept) if value.shape == parameter.shape else value
                    for key, value in state.items()
                }
        return found

    def _parameter(self, name: str) -> Tensor:
        """The weight of this name, or the values that are left of it."""
        layer = self._network.get_submodule(name.removesuffix(".weight"))
        return layer.values if isinstance(layer, SparseLinear) else layer.weight


def _spread(values: Tensor, kept: Tensor) -> Tensor:
    """Values [nnz] in the shape of their mask, 0 elsewhere; those of that shape as they are."""
    if values.shape == kept.shape:
        return values
    return torch.zeros(kept.shape, dtype=values.dtype).masked_scatter(kept, values)
