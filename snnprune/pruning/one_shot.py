"""One-shot masks of a dense net and what they do to its accuracy, with some or all of its layers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from snnprune.core.dataset import Split
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.snn.checkpoint import copy_parameters, load_parameters
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import accuracy


def mask_of(network: SpikingNetwork, names: list[str]) -> Mask:
    """The dense mask of the weights `names`."""
    weights = prunable_weights(network)
    return Mask.dense({name: weights[name] for name in names})


def accuracy_under(network: SpikingNetwork, factors: Mapping[str, Tensor], split: Split) -> float:
    """Accuracy (0..1) with the weights multiplied by `factors` (a mask, or a relaxed one); it is put back."""
    dense = copy_parameters(network)
    weights = prunable_weights(network)
    with torch.no_grad():
        for name, factor in factors.items():
            weights[name].mul_(factor.to(weights[name]))
    found = accuracy(network, split)
    load_parameters(network, dense)
    return found
