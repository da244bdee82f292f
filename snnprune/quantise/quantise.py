"""Rounds a network's weights to 8 or 4 bits, after training or with fine-tuning, and makes its integer network."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.evaluate import evaluation_batches
from snnprune.pruning.mask import prunable_weights
from snnprune.quantise.chain import chain_of
from snnprune.quantise.convert import to_integer
from snnprune.quantise.finetune import Finetuning, finetune_rounded
from snnprune.quantise.inputs import integer_inputs
from snnprune.quantise.integer import IntegerNetwork
from snnprune.quantise.rounding import Per, over_rows, rounded, scales

BITS = (8, 4)


@dataclass(frozen=True)
class Quantised:
    """A network with rounded weights in float32, and the same in whole numbers: with beta, thresholds, biases and
    images rounded too, so that a few of its decisions may differ."""

    network: SpikingNetwork
    integer: IntegerNetwork

    def counts(self, images: Tensor, seed: int | None = None) -> Tensor:
        """Spike counts [B, classes] of the integer network, int32, of images or frames as `SpikingNetwork.spikes` takes
        them."""
        return torch.from_numpy(self.integer.run(integer_inputs(self.network.spec, images, seed)))

    def accuracy(self, split: Split) -> float:
        """Share of samples (0..1) that the integer network decides rightly; see `snnprune.core.training.evaluate`."""
        correct = 0
        for images, labels, seed in evaluation_batches(split):
            correct += int((self.counts(images, seed).argmax(1) == labels.cpu()).sum())
        return correct / len(split.labels)


def quantise(network: SpikingNetwork, bits: int, per: Per = "row", finetune: Finetuning | None = None) -> Quantised:
    """A network with weights of `bits` bits, and its integer network; `network` itself is not changed.

    bits: 8 or 4. per: one scale for each layer, or for each row of a weight (a neuron, or a channel of a convolution).
    finetune: fine-tuning with rounded weights; None: they are rounded as they are. Pruned synapses stay pruned.
    Raises UserError: other bits, or a network that has no integer form (`snnprune.quantise.chain`).

    >>> import snnprune
    >>> quantised = quantise(snnprune.build([16, 8, 2]), 8)
    >>> quantised.counts(torch.rand(3, 1, 4, 4)).shape
    torch.Size([3, 2])
    """
    if bits not in BITS:
        raise UserError(f"bits: allowed are {' and '.join(map(str, BITS))}; found {bits}")
    network = copy.deepcopy(network)
    by_name = {name: scales(weight.detach().cpu(), bits, per) for name, weight in prunable_weights(network).items()}
    if finetune is not None:
        finetune_rounded(network, by_name, bits, finetune)
    network = network.cpu().float().eval()
    with torch.no_grad():
        for name, weight in prunable_weights(network).items():
            weight.copy_(rounded(weight, by_name[name], bits) * over_rows(by_name[name], weight))
    return Quantised(network, to_integer(chain_of(network), by_name, bits, per))
