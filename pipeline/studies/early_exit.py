"""Early exit: each sample stops as soon as its two likeliest classes are far enough apart.

The curve of accuracy against mean steps and the choice of the threshold are of validation; the chosen threshold is then
run on test, where a sample that has stopped is computed no further.
"""

from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from pipeline.analysis.statistics import describe, paired_difference
from pipeline.analysis.style import panels
from pipeline.io.files import Row
from pipeline.io.names import DENSE, label, metric_name, told_methods
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


def summarize(table: pd.DataFrame) -> dict[str, Any]:
    """Per net over seeds: mean steps and test accuracy at the chosen threshold, the difference to all T, the curve."""
    results = [
        _result(str(method), float(level), group)
        for (method, level), group in table.groupby(["method", "level"], sort=False)
    ]
    metrics: dict[str, float] = {}
    for result in results:
        name = metric_name(result["method"], result["level"])
        metrics[f"steps/{name}"] = result["steps"]["mean"]
        metrics[f"accuracy/{name}"] = result["accuracy"]["mean"]
    told = told_methods(result["method"] for result in results)
    findings = [_say(result) for result in results if result["method"] in told]
    return {"findings": findings, "metrics": metrics, "results": results}


def draw(summary: dict[str, Any]) -> Figure:
    """Accuracy over mean steps, a curve a net (dense, the first method); crosses: test at the chosen threshold."""
    figure, (axes,) = panels(1, "early exit: accuracy against mean time steps", (7.5, 5.2))
    told = told_methods(result["method"] for result in summary["results"])
    shown = [result for result in summary["results"] if result["method"] in told]
    colours = colormaps["viridis"].resampled(max(len(shown), 2))
    for index, result in enumerate(shown):
        colour = "black" if result["method"] == DENSE else colours(index)
        axes.plot(
            [point["steps"] for point in result["curve"]],
            [100 * point["accuracy"] for point in result["curve"]],
            marker=".",
            color=colour,
            label=label(result["method"], result["level"]),
        )
        axes.plot(result["steps"]["mean"], 100 * result["accuracy"]["mean"], "x", markersize=9, color=colour)
    axes.set_xlabel("mean time steps of a sample")
    axes.set_ylabel("accuracy (%): validation, crosses test")
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center", ncols=4)
    return figure


def _test(net: Net, split: Split, threshold: float) -> tuple[float, float, float]:
    """Mean steps and accuracy of a run with exits, and the accuracy of all T steps."""
    steps = correct = 0
    pairs = zip(split.images.split(BATCH_SIZE), split.labels.split(BATCH_SIZE), strict=True)
    for index, (images, labels) in enumerate(pairs):
        exits = run_with_exits(net.network, images, threshold, seed=derive_seed(ENCODING_SEED, index))
        steps += int(exits.steps.sum())
        correct += int((exits.classes == labels).sum())
    return steps / len(split.labels), correct / len(split.labels), accuracy(net.network, split)


def _result(method: str, level: float, group: pd.DataFrame) -> dict[str, Any]:
    chosen = group[group["chosen"]].sort_values("seed")
    return {
        "method": method,
        "level": level,
        "threshold": describe(chosen["threshold"].tolist()),
        "steps": describe(chosen["steps"].tolist()),
        "accuracy": describe(chosen["accuracy"].tolist()),
        "difference": paired_difference(chosen["accuracy"].tolist(), chosen["whole_accuracy"].tolist()),
        "curve": [
            {
                "threshold": float(threshold),
                "steps": float(rows["validation_steps"].mean()),
                "accuracy": float(rows["validation_accuracy"].mean()),
            }
            for threshold, rows in group.groupby("threshold")
        ],
    }


def _say(result: dict[str, Any]) -> str:
    return (
        f"{label(result['method'], result['level'])}: {result['steps']['mean']:.2f} steps on the mean, test accuracy "
        f"{100 * result['accuracy']['mean']:.2f} % ({100 * result['difference']['mean']:+.2f} points)"
    )
