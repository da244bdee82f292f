"""Fine-tuning with rounded weights under the network's own mask, by straight-through rounding."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parametrize

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.fit import Progress, ResumePoint, fit, make_optimizer
from snnprune.core.training.loss import CROSS_ENTROPY, BatchLoss
from snnprune.core.training.params import FitParams
from snnprune.pruning.finetune import kept_alone
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.quantise.rounding import StraightThrough, over_rows
from snnprune.sparse.linear import SparseLinear


@dataclass(frozen=True)
class Finetuning:
    """On what and how to fine-tune; see `snnprune.core.training.fit.fit`."""

    train: Split
    params: FitParams
    loss: BatchLoss = CROSS_ENTROPY
    validation: Split | None = None
    seed_path: tuple[int, ...] = (0,)
    progress: Progress | None = None
    resume: ResumePoint | None = None


def finetune_rounded(network: SpikingNetwork, scales: Mapping[str, Tensor], bits: int, finetuning: Finetuning) -> None:
    """Train `network` in place with weights rounded by their rows' `scales` (name -> [rows]); they end as rounded.
    Synapses that are zero now stay so. Biases are trained too and are not rounded here."""
    mask = Mask({name: weight.detach() != 0 for name, weight in prunable_weights(network).items()})
    with kept_alone(network, mask) as rest, _rounding(network, mask, rest, scales, bits):
        fit(
            network,
            make_optimizer(network, finetuning.params),
            finetuning.train,
            finetuning.validation,
            finetuning.params,
            seed_path=finetuning.seed_path,
            loss=finetuning.loss,
            progress=finetuning.progress,
            resume=finetuning.resume,
        )


@contextmanager
def _rounding(
    network: SpikingNetwork, mask: Mask, rest: Mask, scales: Mapping[str, Tensor], bits: int
) -> Iterator[None]:
    """While in here, weights are rounded; those of `rest` keep their mask, others have no further synapses."""
    parametrised = []
    for name in mask:
        module = network.get_submodule(name.removesuffix(".weight"))
        if isinstance(module, SparseLinear):
            tensor, rows = "values", np.diff(module.synapses.starts.astype(np.int64))
            rounding = StraightThrough(scales[name].repeat_interleave(torch.from_numpy(rows)), bits)
        else:
            tensor, rounding = "weight", StraightThrough(over_rows(scales[name], module.weight), bits, rest[name])
        parametrize.register_parametrization(module, tensor, rounding)
        parametrised.append((module, tensor))
    try:
        yield
    finally:
        for module, tensor in parametrised:
            parametrize.remove_parametrizations(module, tensor, leave_parametrized=True)
