"""Counts what a network computes on real samples: synaptic operations that cannot be skipped, neuron updates, spikes.

A synaptic operation is effective when neither the input nor the weight is zero, as in NeuroBench's `SynapticOperations`
(Yik et al., arXiv 2304.04640): a multiply-accumulate (MAC) for an analogue input, an accumulate (AC) for a spike.
Biases are no synaptic operations. A constant input counts anew at every step, as in NeuroBench. The encoding
says what is analogue; NeuroBench looks at the values, so images of only 0 and 1 under `direct` are spikes there.
Frames of events are judged by their values here too: all operations of a step with a count of 2 or more are MACs. That
is NeuroBench's count at batch size 1; with larger batches it judges a step of all samples together.
"""

import torch
from torch import Tensor, nn

from snnprune.core.encoding import analogue_steps
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.pruning.mask import prunable_weights
from snnprune.sparse.counts import LayerCounts, count_layer


@torch.no_grad()
def observe_operations(
    network: SpikingNetwork, images: Tensor, steps: int | None = None, *, seed: int | None = None
) -> tuple[Tensor, list[LayerCounts]]:
    """Run images [B, C, H, W] for `steps` time steps (None: all) in evaluation mode and count on the way. Returns the
    output spikes [steps, B, classes] and the counts of every layer in the network's order. `seed` fixes a random
    encoding. Raises ValueError when `steps` is not within 1..T."""
    steps = network.spec.timesteps if steps is None else steps
    names = {id(weight): name for name, weight in prunable_weights(network).items()}
    inputs: list[tuple[nn.Module, Tensor, bool]] = []
    with evaluating(network):
        last = network.spikes(images, steps=steps, seed=seed, observe=lambda *seen: inputs.append(seen))
    outputs = [values for _, values, _ in inputs[1:]] + [last]
    counts: list[LayerCounts] = []
    for index, (module, values, constant) in enumerate(inputs):
        if id(getattr(module, "weight", None)) not in names:
            continue
        neurons = next(i for i in range(index, len(inputs)) if isinstance(inputs[i][0], MultiStepLeaky))
        analogue = None if counts else analogue_steps(network.spec.encoding, values, constant, steps)
        counts.append(count_layer(names[id(module.weight)], module, values, constant, outputs[neurons], analogue))
    return last, counts
