"""Fine-tuning with rounded weights under the network's own mask, by straight-through rounding."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn.utils import parametrize

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.fit import Progress, ResumePoint, fit, make_optimizer
from snnprune.core.training.loss import CROSS_ENTROPY, BatchLoss
from snnprune.core.training.params import FitParams
from snnprune.pruning.mask import prunable_weights
from snnprune.quantise.rounding import StraightThrough


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

    Synapses that are zero now stay so: no gradient reaches them, and the optimiser is a fresh one. Biases are trained
    too, and not rounded here. Layers are trained dense: an epoch costs the same at every sparsity.
    """
    modules = {name: network.get_submodule(name.removesuffix(".weight")) for name in prunable_weights(network)}
    for name, module in modules.items():
        parametrize.register_parametrization(module, "weight", StraightThrough(module.weight, scales[name], bits))
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
    for module in modules.values():
        parametrize.remove_parametrizations(module, "weight")
