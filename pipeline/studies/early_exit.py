"""Early exit: each sample stops as soon as its two likeliest classes are far enough apart. The curve of accuracy
against mean steps and the choice of the threshold are of validation; the chosen threshold is then run on test, where a
sample that has stopped is computed no further."""

from pipeline.io.files import Row
from pipeline.study import EVERY_STEP, NETS, Inputs, Net, StudyParams
from snnprune.core.dataset import Dataset, Split
from snnprune.core.schema import Fraction, Rising
from snnprune.core.training.evaluate import accuracy, accuracy_by_step, evaluation_batches, spikes_of
from snnprune.temporal.early_exit import exits_of, run_with_exits

NEEDS = NETS
ASKS = (EVERY_STEP,)


class Params(StudyParams):
    """At which gaps between the two likeliest classes a sample may stop. thresholds: gaps of the class distribution,
    0..1, rising; 1, which means all T steps, is always added. delta: validation accuracy that the chosen one may
    lose."""

    thresholds: Rising[Fraction]
    delta: Fraction = 0.002


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """One row per net and threshold."""
    return inputs.rows_of_nets(seed, lambda net: rows_of_net(net, inputs.dataset, inputs.params))


def rows_of_net(net: Net, dataset: Dataset, params: Params) -> list[Row]:
    """One row per threshold of a net; the test columns only where it is `chosen`. That is the threshold with the fewest
    mean steps among those that lose at most `delta` of validation accuracy against all T steps. The threshold 1 is
    always there: no gap is that large, so nothing stops before T."""
    spikes = spikes_of(net.network, dataset.validation)
    whole = accuracy_by_step(spikes, dataset.validation.labels)[-1].item()
    found = []
    for threshold in sorted({*params.thresholds, 1.0}):
        exits = exits_of(spikes, threshold)
        correct = (exits.classes == dataset.validation.labels).double().mean().item()
        found.append((threshold, exits.steps.double().mean().item(), correct))
    good = [entry for entry in found if entry[2] >= whole - params.delta]
    chosen = min(good, key=lambda entry: entry[1])[0]
    tested = _test(net, dataset.test, chosen)
    return [
        {
            "method": net.method,
            "level": net.level,
            "threshold": threshold,
            "validation_steps": steps,
            "validation_accuracy": correct,
            "chosen": threshold == chosen,
            **(tested if threshold == chosen else dict.fromkeys(tested)),
        }
        for threshold, steps, correct in found
    ]


def _test(net: Net, split: Split, threshold: float) -> Row:
    """Mean steps and accuracy of a run with exits, and the accuracy of all T steps."""
    steps = correct = 0
    for images, labels, seed in evaluation_batches(split):
        exits = run_with_exits(net.network, images, threshold, seed=seed)
        steps += int(exits.steps.sum())
        correct += int((exits.classes == labels).sum())
    samples = len(split.labels)
    return {"steps": steps / samples, "accuracy": correct / samples, "whole_accuracy": accuracy(net.network, split)}
