"""Early exit: each sample stops as soon as its two likeliest classes are far enough apart. The curve of accuracy
against mean steps and the choice of the threshold are of validation; the chosen threshold is then run on test, where a
sample that has stopped is computed no further. Operations and neuron updates are counted up to each sample's exit."""

from collections.abc import Mapping

from pipeline.io.files import Row
from pipeline.study import EVERY_STEP, NETS, Inputs, Net, NetsParams
from snnprune.core.dataset import Dataset, Split
from snnprune.core.schema import Fraction, Rising
from snnprune.core.training.evaluate import accuracy, evaluation_batches, spikes_of
from snnprune.energy.exits import measure_exits
from snnprune.energy.measure import WORK
from snnprune.energy.profiles import FILE, Profile, load_profiles
from snnprune.temporal.early_exit import cheapest_exit, exit_points, run_with_exits

NEEDS = NETS
ASKS = (EVERY_STEP,)
FILES = (FILE,)


class Params(NetsParams):
    """At which gaps between the two likeliest classes a sample may stop. thresholds: gaps of the class distribution,
    0..1, rising; 1, which means all T steps, is always added. delta: validation accuracy that the chosen one may
    lose."""

    thresholds: Rising[Fraction]
    delta: Fraction = 0.002


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """One row per net and threshold; raises ParamsError for the profiles."""
    profiles = load_profiles()
    return inputs.rows_of_nets(seed, lambda net: rows_of_net(net, inputs.dataset, inputs.params, profiles))


def rows_of_net(net: Net, dataset: Dataset, params: Params, profiles: Mapping[str, Profile]) -> list[Row]:
    """One row per threshold of a net; the test columns, and the counts and energies of both splits, only where it is
    `chosen`: the cheapest one that loses at most `delta` of validation accuracy against all T steps
    (`cheapest_exit`)."""
    validation = dataset.validation
    points = exit_points(spikes_of(net.network, validation), validation.labels, params.thresholds)
    chosen = cheapest_exit(points, params.delta).threshold
    tested = _test(net, dataset.test, chosen) | {
        f"{prefix}{name}": value
        for prefix, split in (("validation_", validation), ("", dataset.test))
        for name, value in _counts(net, split, chosen, profiles).items()
    }
    return [
        {
            "method": net.method,
            "level": net.level,
            "threshold": point.threshold,
            "validation_steps": point.steps,
            "validation_accuracy": point.accuracy,
            "chosen": point.threshold == chosen,
            **(tested if point.threshold == chosen else dict.fromkeys(tested)),
        }
        for point in points
    ]


def _counts(net: Net, split: Split, threshold: float, profiles: Mapping[str, Profile]) -> Row:
    """Operations and energies of a sample, means over a split, up to each sample's exit."""
    total = measure_exits(net.network, split, threshold).total
    return {name: getattr(total, name) for name in (*WORK, "spike_rate")} | total.energies(profiles)


def _test(net: Net, split: Split, threshold: float) -> Row:
    """Mean steps and accuracy of a run with exits, and the accuracy of all T steps."""
    steps = correct = 0
    for images, labels, seed in evaluation_batches(split):
        exits = run_with_exits(net.network, images, threshold, seed=seed)
        steps += int(exits.steps.sum())
        correct += int((exits.classes == labels).sum())
    samples = len(split.labels)
    return {"steps": steps / samples, "accuracy": correct / samples, "whole_accuracy": accuracy(net.network, split)}
