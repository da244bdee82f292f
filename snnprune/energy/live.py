"""Which neurons can matter: those that may fire, and whose spikes some output may depend on.

A hidden neuron is dead when it has no synapse, nor a chain of synapses, to an output, or when nothing can make it fire:
no synapse from the input or from a neuron that may fire, and a bias that does not bring it to its threshold within the
steps of the run, which is tried out. Hardware need not update it, so it is in no count of neuron updates. Of a
convolution whole channels are judged. Outputs are always updated, for their counts are read.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork
from snnprune.pruning.mask import prunable_weights
from snnprune.sparse.counts import LayerCounts

TRANSPARENT = (nn.Flatten, nn.Dropout, nn.MaxPool2d, nn.AvgPool2d)  # a channel of zeros stays one, and in its place


@torch.no_grad()
def live_rows(network: SpikingNetwork, steps: int) -> dict[str, Tensor]:
    """By the name of a layer's weight [out, in, ...], which of the neurons or channels that it feeds can matter, bool
    [out]; for a run of so many steps. Empty for a network that is no plain sequence of weights and neurons: there all
    count."""
    weights = prunable_weights(network)
    if (blocks := _blocks(network, weights)) is None:
        return {}
    connected, fires = {}, {}
    before: Tensor | None = (
        None  # of the layer before, which may fire; None: the network's input, which may be anything
    )
    for name, (layer, neurons) in blocks.items():
        joined = weights[name] != 0
        joined = joined.flatten(2).any(2) if joined.dim() > 2 else joined
        connected[name] = joined if before is None else _by_row(joined, len(before))
        driven = connected[name].any(1) if before is None else (connected[name] & before).any(1)
        fires[name] = before = driven | _fires_alone(layer, neurons, steps)
    live: dict[str, Tensor] = {}
    after: Tensor | None = None  # which neurons of the layer before some live neuron reads
    for name in reversed(blocks):
        live[name] = torch.ones_like(fires[name]) if after is None else fires[name] & after
        after = connected[name][live[name]].any(0)
    return {name: live[name] for name in blocks}


def live_of(counts: LayerCounts, live: Mapping[str, Tensor]) -> int:
    """How many of the neurons that a layer feeds can matter, by the `live_rows` of its network; all, where it is not
    among them."""
    if (rows := live.get(counts.weight)) is None:
        return counts.neurons
    return int(rows.sum()) * (counts.neurons // len(rows))


def _blocks(
    network: SpikingNetwork, weights: Mapping[str, Tensor]
) -> dict[str, tuple[nn.Module, MultiStepLeaky]] | None:
    """Every layer with a weight and the neurons that it feeds; None where that is not all of the network, or a layer is
    grouped."""
    names = {id(weight): name for name, weight in weights.items()}
    found: dict[str, tuple[nn.Module, MultiStepLeaky]] = {}
    layer: nn.Module | None = None
    for module in network.layers:
        if isinstance(module, MultiStepLeaky):
            if layer is None:
                return None
            found[names[id(layer.weight)]] = layer, module
            layer = None
        elif id(getattr(module, "weight", None)) in names:
            if layer is not None or getattr(module, "groups", 1) != 1:
                return None
            layer = module
        elif not isinstance(module, TRANSPARENT):
            return None
    return found if layer is None and len(found) == len(weights) else None


def _by_row(joined: Tensor, rows: int) -> Tensor:
    """Synapses [out, in] from the layer before's neurons or channels [out, rows]: flattened, each channel's values lie
    side by side."""
    return joined.reshape(len(joined), rows, -1).any(2)


def _fires_alone(layer: nn.Module, neurons: MultiStepLeaky, steps: int) -> Tensor:
    """Which neurons or channels fire within `steps` by their bias alone, bool [out]. Channels whose neurons differ are
    taken for ones that do."""
    weight, alone = layer.weight, neurons.beta.numel() == neurons.threshold.numel() == 1
    if weight.dim() > 2 and not alone:
        return torch.ones(len(weight), dtype=torch.bool, device=weight.device)
    current = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach()
    return neurons.multi_step(current[None], steps)[:, 0].any(0)
