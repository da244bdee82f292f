"""What a network does on a split, in float32 or in whole numbers, counted alike from its own spikes."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from snnprune.core.dataset import Split
from snnprune.core.encoding import analogue_steps, is_constant
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.core.training.evaluate import evaluation_batches
from snnprune.energy.live import live_of, live_rows
from snnprune.pruning.mask import prunable_weights
from snnprune.quantise.inputs import integer_inputs
from snnprune.quantise.quantise import Quantised
from snnprune.sparse.counts import count_layer

Run = tuple[Tensor, list[Tensor]]  # the encoded input, and every layer's spikes [T, B, ...]


@dataclass(frozen=True)
class Activity:
    """The decision for each sample [N], operations of a sample (means; `snnprune.energy.measure`), and `silent`: the
    share of neurons (0..1) that fire for no sample."""

    decisions: Tensor
    macs_once: float
    acs: float
    neuron_updates: int
    silent: float


def activity(net: SpikingNetwork | Quantised, split: Split) -> Activity:
    """That of a network in float32, or of a quantised one's integer network, on a split."""
    network = net.network if isinstance(net, Quantised) else net
    run = _run_integer if isinstance(net, Quantised) else _run_float
    names, live = list(prunable_weights(network)), live_rows(network, network.spec.timesteps)
    modules = [network.get_submodule(name.removesuffix(".weight")) for name in names]
    constant, encoding = is_constant(network.spec.encoding), network.spec.encoding
    decisions, macs, acs, updates = [], 0, 0, 0
    fired: list[Tensor] = []
    for images, _, seed in evaluation_batches(split):
        encoded, spikes = run(net, images, seed)
        analogue = analogue_steps(encoding, encoded, constant, network.spec.timesteps)
        updates = 0
        for index, (name, module, out) in enumerate(zip(names, modules, spikes, strict=True)):
            inputs, same = (spikes[index - 1], False) if index else (encoded, constant)
            if isinstance(module, nn.Linear):
                inputs = inputs.flatten(1 if same else 2)
            counts = count_layer(name, module, inputs, same, out, None if index else analogue)
            macs, acs, updates = (
                macs + int(counts.macs.sum()),
                acs + int(counts.acs.sum()),
                updates + counts.steps * live_of(counts, live),
            )
        decisions.append(spikes[-1].sum(0).argmax(1).cpu())
        now = [out.flatten(2).any(0).any(0) for out in spikes]
        fired = [a | b for a, b in zip(fired, now, strict=True)] if fired else now
    samples = len(split.labels)
    return Activity(
        decisions=torch.cat(decisions),
        macs_once=macs / samples / (network.spec.timesteps if constant else 1),
        acs=acs / samples,
        neuron_updates=updates,
        silent=1 - torch.cat(fired).double().mean().item(),
    )


@torch.no_grad()
def _run_float(network: SpikingNetwork, images: Tensor, seed: int) -> Run:
    seen: list[tuple[nn.Module, Tensor]] = []
    with evaluating(network):
        last = network.spikes(images, seed=seed, observe=lambda layer, values, _: seen.append((layer, values)))
    outputs = [values for _, values in seen[1:]] + [last]
    spikes = [out for (layer, _), out in zip(seen, outputs, strict=True) if isinstance(layer, MultiStepLeaky)]
    return seen[0][1], spikes


def _run_integer(quantised: Quantised, images: Tensor, seed: int) -> Run:
    inputs = integer_inputs(quantised.network.spec, images, seed)
    blocks = zip(*quantised.integer.blocks(inputs), strict=True)
    spikes = [torch.from_numpy(np.concatenate(layer)).movedim(-1, 0) for layer in blocks]
    encoded = torch.from_numpy(inputs)
    return (encoded if quantised.integer.encoding == "direct" else encoded.movedim(1, 0)), spikes
