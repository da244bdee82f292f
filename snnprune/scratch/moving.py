"""Training under a mask that moves: around the one training loop, with the mask in its resume points."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from snnprune.core.network import SpikingNetwork
from snnprune.core.seeds import derive_seed
from snnprune.core.training.batch import Batch
from snnprune.core.training.fit import StepHooks
from snnprune.core.training.loss import CROSS_ENTROPY
from snnprune.pruning.guard import MaskGuard
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Layers
from snnprune.scratch.rewiring import Change, Rewiring, Run, rewired
from snnprune.sparse.linear import SparseLinear, Synapses

REWIRE = 2  # tells the draws of a moving mask from those of an epoch (core/training/fit.py) in the seed
MOMENTS = ("exp_avg", "exp_avg_sq")


class MovingLinear(SparseLinear):
    """A sparse linear layer whose synapses may become others, as many as before."""

    @torch.no_grad()
    def move(self, mask: Tensor, moments: Iterable[Tensor] = ()) -> None:
        """Have the synapses of `mask` [outputs, inputs]. Those that stay keep their value and `moments` [nnz], in
        place; new ones have zeros."""
        for values in (self.values, *moments):
            whole = torch.zeros(self.synapses.shape)
            whole[self._mask] = values
            values.copy_(whole[mask])
        self.synapses, self._mask = Synapses.of(mask), mask


class MovingMask(StepHooks):
    """Moves the mask of a network after some steps of `optimizer`, and keeps what is pruned pruned. Use `loss` in the
    training loop, so that it knows the batches."""

    def __init__(
        self,
        network: SpikingNetwork,
        optimizer: torch.optim.Adam,
        dense: SpikingNetwork,
        mask: Mask,
        rewiring: Rewiring,
        run: Run,
        seed_path: tuple[int, ...],
    ) -> None:
        """network: with some layers of `mask` as `MovingLinear`. dense: one like it, without, for gradients of synapses
        that are not there; its parameters are overwritten."""
        self.mask = mask
        self._network, self._optimizer, self._dense = network, optimizer, dense
        self._rewiring, self._run, self._seed_path = rewiring, run, seed_path
        modules = {f"{name}.weight": module for name, module in network.named_modules()}
        self._sparse = {name: modules[name] for name in mask if isinstance(modules[name], MovingLinear)}
        self._step = 0
        self._batch: Batch | None = None
        self._guard = self._guard_of_the_rest()

    def loss(self, counts: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy; remembers the batch."""
        self._batch = batch
        return CROSS_ENTROPY(counts, batch)

    def before_step(self) -> None:
        """Mask the gradients of layers in dense form."""
        self._guard.before_step()

    def after_step(self) -> None:
        """Mask those layers' moments and weights, then move the mask where it is time."""
        self._guard.after_step()
        self._step += 1
        share = self._rewiring.share(self._step, self._run)
        if share:
            change = Change(self.weights(), self.mask, self.gradient, derive_seed(*self._seed_path, self._step, REWIRE))
            self._move(rewired(change, share, self._rewiring.scores(change)))

    def weights(self) -> dict[str, Tensor]:
        """Name -> weight on the CPU, zero outside the mask."""
        return {
            name: self._sparse[name].dense_weight()
            if name in self._sparse
            else self._network.get_parameter(name).detach().cpu().clone()
            for name in self.mask
        }

    def gradient(self) -> Layers:
        """dL/dw of the last batch on the CPU, of every synapse, there or not."""
        weights = self.weights()
        with torch.no_grad():
            for name, parameter in self._dense.named_parameters():
                parameter.copy_(weights[name] if name in weights else self._network.get_parameter(name))
        self._dense.train()
        loss = CROSS_ENTROPY(self._dense(self._batch.images), self._batch)
        gradients = torch.autograd.grad(loss, [self._dense.get_parameter(name) for name in self.mask])
        return {name: gradient.cpu() for name, gradient in zip(self.mask, gradients, strict=True)}

    def state(self) -> dict[str, Any]:
        """What a resume point holds of it: mask and step."""
        return {"mask": dict(self.mask), "step": self._step}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`. Raises ValueError: it is of another network or sparsity."""
        mask = Mask(state["mask"])
        if _counts(mask) != _counts(self.mask):
            raise ValueError("the mask has other layers, or other numbers of synapses")
        self._move(mask)
        self._step = state["step"]

    def _move(self, mask: Mask) -> None:
        for name, layer in self._sparse.items():
            state = self._optimizer.state.get(layer.values, {})
            layer.move(mask[name], [state[key] for key in MOMENTS if key in state])
        self.mask = mask
        self._guard = self._guard_of_the_rest()

    def _guard_of_the_rest(self) -> StepHooks:
        """Zeroes what is pruned now; the moments of what comes were kept at zero."""
        rest = {name: layer for name, layer in self.mask.items() if name not in self._sparse}
        return MaskGuard(self._network, self._optimizer, Mask(rest)) if rest else StepHooks()


def _counts(mask: Mask) -> list[tuple[str, torch.Size, int]]:
    return [(name, layer.shape, int(layer.sum())) for name, layer in mask.items()]
