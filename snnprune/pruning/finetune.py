"""Fine-tuning under a mask. A layer with few synapses left is trained in a form that has no others, so that time
follows the synapses and no pruned one can come back; the guard keeps the other layers' masks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from snnprune.core.dataset import Split
from snnprune.core.lif import is_compiled
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.fit import Epoch, Progress, ResumePoint, fit, make_optimizer
from snnprune.core.training.loss import BatchLoss
from snnprune.core.training.params import FitParams
from snnprune.pruning.guard import MaskGuard
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.sparse.events import EventLinear
from snnprune.sparse.linear import SparseLinear

# Density from which a dense layer trains as fast: 0.4 to above 0.7 by layer and batch (`python -m benchmarks.speed`).
# One whose cost follows the events of its input is as fast from 0.2 to 0.23 (`python -m benchmarks.speed.events`).
DENSE_FROM = 0.5
DENSE_FROM_ON_EVENTS = 0.22


def finetune(
    network: SpikingNetwork,
    mask: Mask,
    train: Split,
    validation: Split | None,
    params: FitParams,
    *,
    seed_path: tuple[int, ...],
    loss: BatchLoss,
    on_epoch: Callable[[Epoch], object] | None = None,
    progress: Progress | None = None,
    resume: ResumePoint | None = None,
) -> list[Epoch]:
    """Train `network` in place under `mask` (of all its layers or some) with a fresh optimiser; see `fit`. Raises
    ZombieError: a pruned synapse came back."""
    mask.apply(prunable_weights(network))
    with kept_alone(network, mask) as rest:
        optimizer = make_optimizer(network, params)
        guard = MaskGuard(network, optimizer, rest) if rest else None
        return fit(
            network,
            optimizer,
            train,
            validation,
            params,
            seed_path=seed_path,
            loss=loss,
            hooks=guard,
            on_epoch=on_epoch,
            progress=progress,
            resume=resume,
        )


@contextmanager
def kept_alone(network: SpikingNetwork, mask: Mask, form: type[SparseLinear] = SparseLinear) -> Iterator[Mask]:
    """While in here, linear layers of which `mask` keeps less than `DENSE_FROM`, or `DENSE_FROM_ON_EVENTS`, have no
    other synapses: they are of the kind `form`. Gives the mask of the layers that stay as they are. Raises ValueError:
    the mask does not fit the network."""
    mask.require_fitting(network)
    names = {f"{name}.weight": name for name, _ in network.named_modules()}
    chosen = {
        names[weight]: layer
        for weight, layer in mask.items()
        if isinstance(network, SpikingNetwork)  # a forward of the user's own may do anything with a layer
        and isinstance(linear := network.get_submodule(names[weight]), nn.Linear)
        and is_compiled(linear.weight)
        and layer.count_nonzero() < _dense_from(linear) * layer.numel()
    }
    linears = {name: network.get_submodule(name) for name in chosen}
    for name, layer in chosen.items():
        network.set_submodule(name, form(linears[name], layer))
    try:
        yield Mask({name: layer for name, layer in mask.items() if names[name] not in chosen})
    finally:
        for name, linear in linears.items():
            with torch.no_grad():
                linear.weight.copy_(network.get_submodule(name).dense_weight())
            network.set_submodule(name, linear)


def _dense_from(linear: nn.Linear) -> float:
    return DENSE_FROM_ON_EVENTS if isinstance(linear, EventLinear) else DENSE_FROM
