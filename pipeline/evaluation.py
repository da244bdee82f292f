"""What a finished net is measured by on the test split: accuracy before and after fine-tuning, operations, bytes.

A new figure of finished nets belongs here: it reruns the stage `evaluate`, and no net is trained again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.io.files import Row
from snnprune.core.dataset import Split
from snnprune.energy.footprint import footprint
from snnprune.energy.measure import measure
from snnprune.energy.profiles import Profile, energy_pj
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import accuracy


@dataclass(frozen=True)
class FinishedNet:
    """A net as it was stored, and what it is compared with.

    before: the net of the level before under this level's mask, not yet fine-tuned. one_shot: the dense net under the
    mask that prunes it to this level in one step. Both are None for the dense net.
    """

    method: str
    seed: int
    level: float
    network: SpikingNetwork
    mask: Mask
    before: SpikingNetwork | None = None
    one_shot: SpikingNetwork | None = None


def evaluated(net: FinishedNet, test: Split, profiles: Mapping[str, Profile]) -> Row:
    """One row of a net: accuracies 0..1, operations and picojoules of a sample (means over `test`), bytes."""
    measured = measure(net.network, test, net.network.spec.timesteps)
    sums = {
        name: sum(getattr(layer, name) for layer in measured.layers)
        for name in ("macs", "acs", "dense_macs", "dense_acs", "neuron_updates")
    }
    spikes = sum(layer.spike_rate * layer.neuron_updates for layer in measured.layers)
    size = footprint(prunable_weights(net.network))
    return {
        "method": net.method,
        "seed": net.seed,
        "level": net.level,
        "sparsity": net.mask.sparsity,
        "nnz": net.mask.nnz,
        "accuracy_before": measured.accuracy if net.before is None else accuracy(net.before, test),
        "accuracy": measured.accuracy,
        "one_shot_accuracy": measured.accuracy if net.one_shot is None else accuracy(net.one_shot, test),
        "timesteps": net.network.spec.timesteps,
        "effective_macs": sums["macs"],
        "effective_acs": sums["acs"],
        "dense_macs": sums["dense_macs"],
        "dense_acs": sums["dense_acs"],
        "neuron_updates": sums["neuron_updates"],
        "spike_rate": spikes / sums["neuron_updates"],
        **{
            f"energy_pj_{name}": energy_pj(sums["macs"], sums["acs"], sums["neuron_updates"], profile)
            for name, profile in profiles.items()
        },
        "dense_bytes": size.dense,
        "csr_bytes": size.csr,
        "bitmask_bytes": size.bitmask,
    }
