"""A network's accuracy and what it computed for it, on a whole split and for some of its time steps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial

from snnprune.core.dataset import Split
from snnprune.core.encoding import is_constant
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.evaluate import evaluation_batches
from snnprune.energy.live import live_of, live_rows
from snnprune.energy.operations import observe_operations
from snnprune.energy.profiles import Profile, energies, index_width
from snnprune.pruning.mask import prunable_weights
from snnprune.sparse.counts import LayerCounts
from snnprune.sparse.runtime import fastest_form

# what a run computes
WORK = (
    *("macs", "macs_once", "acs", "dense_macs", "dense_acs", "neuron_updates", "dense_updates"),
    *("index_bits", "index_bits_once"),
)
SUMS = ("synapses", "nnz", *WORK)


@dataclass(frozen=True)
class LayerMeans:
    """Figures of one layer for a sample, means over a split; `LayerCounts` says what they are. Of one layer's `macs`
    and `acs`, and of `dense_macs` and `dense_acs`, one is 0 where the input is analogue, or spikes, for good; of frames
    of events it may be either by the step, and the dense ones are rounded to whole operations, which add up to all.
    macs_once: the MACs when those of a constant input are computed at the first step and kept; one that changes has
    none to keep. neuron_updates: every step of the neurons that can matter (`snnprune.energy.live`); dense_updates:
    of all. dense_macs, dense_acs, neuron_updates, dense_updates: whole numbers where all samples run for as many steps.
    index_bits, index_bits_once: bits of the indices that are fetched with the weights
    (`snnprune.energy.profiles.index_width`). spike_rate: spikes per neuron and step, 0..1, 0 of a layer that feeds no
    neurons."""

    layer: str
    synapses: int
    nnz: int
    macs: float
    macs_once: float
    acs: float
    dense_macs: float
    dense_acs: float
    neuron_updates: float
    dense_updates: float
    index_bits: float
    index_bits_once: float
    spike_rate: float

    def energies(self, profiles: Mapping[str, Profile]) -> dict[str, float]:
        """Picojoules of a sample by every profile and both conventions (`snnprune.energy.profiles.energies`)."""
        return energies(asdict(self), profiles)


@dataclass(frozen=True)
class Measurement:
    """Accuracy (0..1) of the run itself, and the counts of its layers: operations of a sample, means."""

    accuracy: float
    layers: list[LayerMeans]

    @property
    def total(self) -> LayerMeans:
        """All layers together, as a layer named `all`."""
        sums = {name: sum(getattr(layer, name) for layer in self.layers) for name in SUMS}
        spikes = sum(layer.spike_rate * layer.dense_updates for layer in self.layers)
        return LayerMeans(layer="all", **sums, spike_rate=spikes / sums["dense_updates"])

    @property
    def macs(self) -> float:
        """Effective multiply-accumulates: of an analogue input."""
        return self.total.macs

    @property
    def macs_once(self) -> float:
        """The same with those of a constant input computed once instead of at every step."""
        return self.total.macs_once

    @property
    def acs(self) -> float:
        """Effective accumulates: of spikes."""
        return self.total.acs

    @property
    def dense_operations(self) -> float:
        """MACs and ACs if neither a weight nor an input were zero."""
        return self.total.dense_macs + self.total.dense_acs

    @property
    def neuron_updates(self) -> float:
        """Every step of every neuron that can matter."""
        return self.total.neuron_updates

    def __str__(self) -> str:
        return (
            f"{self.macs:,.0f} MACs ({self.macs_once:,.0f} with a constant input once) and {self.acs:,.0f} ACs a "
            f"sample (dense: {self.dense_operations:,} operations), {self.neuron_updates:,} neuron updates"
        )


def measure(network: SpikingNetwork, split: Split, steps: int | None = None) -> Measurement:
    """Run the split for `steps` time steps (None: all), a network with a sparse layer compiled. Random encodings are
    seeded per batch, as everywhere."""
    form = fastest_form(network)
    observe = getattr(form, "observe", None) or partial(observe_operations, network)
    correct = 0
    batches: list[list[LayerCounts]] = []
    for images, labels, seed in evaluation_batches(split):
        spikes, counts = observe(images, steps, seed=seed)
        correct += int((spikes.sum(0).argmax(1) == labels).sum())
        batches.append(counts)
    samples = len(split.labels)
    return Measurement(accuracy=correct / samples, layers=layer_means(network, batches, samples))


def layer_means(network: SpikingNetwork, batches: Sequence[Sequence[LayerCounts]], samples: int) -> list[LayerMeans]:
    """Means over `samples` of the layers' counts, batch by batch; each batch has steps of its own."""
    weights = prunable_weights(network)
    constant = getattr(network, "constant", None)  # of an adapted network (`snnprune.adapters`): its layers
    if constant is None and is_constant(network.spec.encoding):
        constant = weights
    live = cache(partial(live_rows, network)) if isinstance(network, SpikingNetwork) else lambda steps: {}
    layers = []
    for parts in zip(*batches, strict=True):
        name = parts[0].weight
        macs_by_steps: dict[int, int] = {}
        for part in parts:
            macs_by_steps[part.steps] = macs_by_steps.get(part.steps, 0) + int(part.macs.sum())
        dense = _mean(sum(part.dense * part.samples for part in parts), samples)
        updates = _mean(sum(part.neuron_updates * part.samples for part in parts), samples)
        steps = sum(part.steps * part.samples for part in parts)
        dense_macs = round(dense * (sum(int(part.analogue_steps.sum()) for part in parts) / steps))
        spikes_each = sum(int(part.spikes.sum()) for part in parts) / samples
        macs = sum(macs_by_steps.values()) / samples
        once = sum(found / samples / each for each, found in macs_by_steps.items())
        macs_once = once if constant and name in constant else macs
        acs = sum(int(part.acs.sum()) for part in parts) / samples
        synapses, nnz = weights[name].numel(), int(weights[name].count_nonzero())
        width = index_width(synapses, nnz, weights[name][:, 0].numel())
        layers.append(
            LayerMeans(
                layer=name,
                synapses=synapses,
                nnz=nnz,
                macs=macs,
                macs_once=macs_once,
                acs=acs,
                dense_macs=dense_macs,
                dense_acs=dense - dense_macs,
                neuron_updates=_mean(
                    sum(part.steps * live_of(part, live(part.steps)) * part.samples for part in parts), samples
                ),
                dense_updates=updates,
                index_bits=width * (macs + acs),
                index_bits_once=width * (macs_once + acs),
                spike_rate=spikes_each / updates if updates else 0.0,
            )
        )
    return layers


def _mean(total: int, samples: int) -> float:
    """A whole number where all samples have the same."""
    whole, rest = divmod(total, samples)
    return total / samples if rest else whole
