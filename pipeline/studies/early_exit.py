"""Early exit: each sample stops as soon as its two likeliest classes are far enough apart.

The curve of accuracy against mean steps and the choice of the threshold are of validation; the chosen threshold is then
run on test, where a sample that has stopped is computed no further.
"""

from pipeline.io.files import Row
from pipeline.studies.nets import Net
from snnprune.core.dataset import Dataset, Split
from snnprune.core.seeds import derive_seed
from snnprune.temporal.early_exit import exits_of, run_with_exits
from snnprune.temporal.params import EarlyExitParams
from snnprune.temporal.truncation import accuracy_by_step, spikes_of
from snnprune.training.evaluate import BATCH_SIZE, ENCODING_SEED, accuracy


def early_exit_rows(net: Net, dataset: Dataset, params: EarlyExitParams, seed: int) -> list[Row]:
    """One row per threshold of a net; the test columns only where it is `chosen`.

    That is the threshold with the fewest mean steps among those that lose at most `delta` of validation accuracy
    against all T steps. The threshold 1 is always there: no gap is that large, so nothing stops before T.
    """
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
    rows: list[Row] = []
    for threshold, steps, correct in found:
        mine = tested if threshold == chosen else (None, None, None)
        rows.append(
            {
                "method": net.method,
                "level": net.level,
                "threshold": threshold,
                "validation_steps": steps,
                "validation_accuracy": correct,
                "chosen": threshold == chosen,
                "steps": mine[0],
                "accuracy": mine[1],
                "whole_accuracy": mine[2],
            }
        )
    return rows


def _test(net: Net, split: Split, threshold: float) -> tuple[float, float, float]:
    """Mean steps and accuracy of a run with exits, and the accuracy of all T steps."""
    steps = correct = 0
    pairs = zip(split.images.split(BATCH_SIZE), split.labels.split(BATCH_SIZE), strict=True)
    for index, (images, labels) in enumerate(pairs):
        exits = run_with_exits(net.network, images, threshold, seed=derive_seed(ENCODING_SEED, index))
        steps += int(exits.steps.sum())
        correct += int((exits.classes == labels).sum())
    return steps / len(split.labels), correct / len(split.labels), accuracy(net.network, split)
