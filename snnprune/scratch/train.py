"""Trains a network that is sparse from the start, in the loop and the forms that fine-tuning has."""

import copy
from contextlib import suppress

from torch import Tensor

from snnprune.core.checkpoint import copy_parameters
from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork
from snnprune.core.seeds import seed_everything
from snnprune.core.training.fit import Epoch, Progress, ResumePoint, fit, make_optimizer
from snnprune.core.training.loss import CROSS_ENTROPY
from snnprune.core.training.params import FitParams
from snnprune.pruning.finetune import finetune, kept_alone
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.scratch.moving import MovingLinear, MovingMask
from snnprune.scratch.rewiring import Rewiring, Run


class _Reached(Exception):
    """Dense training has come to the epoch to rewind to."""


def fresh(network: SpikingNetwork, seed: int) -> SpikingNetwork:
    """A copy of `network` with every layer's parameters drawn anew, by its own rule and in the network's order: a net
    of the library's has the very weights with which the training of this seed began."""
    drawn = copy.deepcopy(network).cpu()
    seed_everything(seed)
    for layer in drawn.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    return drawn.to(next(network.parameters()).device)


def rewound(
    network: SpikingNetwork,
    epoch: int,
    train: Split,
    params: FitParams,
    *,
    seed: int,
    progress: Progress | None = None,
    resume: ResumePoint | None = None,
) -> dict[str, Tensor]:
    """The parameters that the dense training by `params` of the fresh `network` (changed in place) has after `epoch`
    epochs; 0 leaves those it has. The learning rate is that of the whole training."""

    def stop(done: Epoch) -> None:
        if done.epoch == epoch:
            raise _Reached

    if epoch:
        optimizer = make_optimizer(network, params)
        with suppress(_Reached):
            fit(
                network, optimizer, train, None, params,
                seed_path=(seed,), on_epoch=stop, progress=progress, resume=resume,
            )  # fmt: skip
    return copy_parameters(network)


def train_sparse(
    network: SpikingNetwork,
    mask: Mask,
    rewiring: Rewiring | None,
    train: Split,
    validation: Split | None,
    params: FitParams,
    *,
    every: int,
    seed_path: tuple[int, ...],
    progress: Progress | None = None,
    resume: ResumePoint | None = None,
) -> tuple[Mask, list[Epoch]]:
    """Train `network` in place under `mask`, which moves by `rewiring` (None: stays); the last mask and the epochs. No
    distillation: from scratch there is no dense net to learn from.

    every: see `Run`. An interrupted training goes on after its last whole epoch, with the mask of then, and ends with
    the very weights and mask of an uninterrupted one. Raises as `fit` and `finetune`.
    """
    shared = {"seed_path": seed_path, "progress": progress}
    if rewiring is None:
        return mask, finetune(network, mask, train, validation, params, loss=CROSS_ENTROPY, resume=resume, **shared)
    epoch = -(-len(train.labels) // params.batch_size)
    run = Run(steps=params.epochs * epoch, epoch=epoch, every=every)
    dense = copy.deepcopy(network)
    mask.apply(prunable_weights(network))
    with kept_alone(network, mask, MovingLinear):
        optimizer = make_optimizer(network, params)
        moving = MovingMask(network, optimizer, dense, mask, rewiring, run, seed_path)
        epochs = fit(
            network, optimizer, train, validation, params, loss=moving.loss, hooks=moving, resume=resume, **shared
        )
    return moving.mask, epochs
