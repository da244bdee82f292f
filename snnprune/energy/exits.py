"""What early exit costs: of each sample what is computed up to the step at which it stops."""

from dataclasses import dataclass
from functools import partial

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork
from snnprune.core.params import NoisyDirect, Rate
from snnprune.core.training.evaluate import evaluation_batches
from snnprune.energy.measure import Measurement, layer_means
from snnprune.energy.operations import observe_operations
from snnprune.sparse.counts import LayerCounts
from snnprune.sparse.runtime import fastest_form
from snnprune.temporal.early_exit import exits_of


@dataclass(frozen=True)
class ExitMeasurement(Measurement):
    """Accuracy and counts of a run with exits. steps: mean time steps of a sample."""

    steps: float


def measure_exits(network: SpikingNetwork, split: Split, threshold: float, steps: int | None = None) -> ExitMeasurement:
    """Run the split until the gap of each sample reaches `threshold`, or for `steps` time steps at most (None: all T).

    A sample that stops at step t is counted as a run of t steps: the MACs of a constant input once, or t times by the
    other convention; accumulates, spikes and neuron updates of the first t steps. So with a threshold that no gap
    reaches the counts are those of `measure`. What decides whether to stop, a softmax over the classes at every step,
    is not counted. A network whose own forward runs through all T steps (`snnprune.adapters`) saves nothing by stopping
    and is counted whole. Raises ValueError: `steps` is not within 1..T."""
    form = fastest_form(network)
    observe = getattr(form, "observe", None) or partial(observe_operations, network)
    is_drawn = isinstance(network.spec.encoding, NoisyDirect | Rate)  # of a part of a batch, other numbers are
    runs_whole = getattr(network, "runs_whole", False)
    correct = taken = 0
    batches: list[list[LayerCounts]] = []
    for images, labels, seed in evaluation_batches(split):
        spikes, whole = observe(images, steps, seed=seed)
        exits = exits_of(spikes, threshold)
        correct += int((exits.classes == labels).sum())
        taken += int(exits.steps.sum())
        for last in [] if runs_whole else exits.steps.unique().tolist():
            here = exits.steps == last
            if last == len(spikes):
                batches.append([counts.of(here) for counts in whole])
            elif is_drawn:
                batches.append([counts.of(here) for counts in observe(images, last, seed=seed)[1]])
            else:
                batches.append(observe(images[here], last, seed=seed)[1])
        if runs_whole:
            batches.append(whole)
    samples = len(split.labels)
    layers = layer_means(network, batches, samples)
    return ExitMeasurement(accuracy=correct / samples, layers=layers, steps=taken / samples)
