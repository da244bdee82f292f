"""Layer sensitivity: each layer alone pruned in one step by CQP's importance, measured on validation."""

from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis.statistics import describe
from pipeline.analysis.style import half_interval, look, panels, sparsity_axis
from pipeline.io.files import Row
from pipeline.studies.one_shot import accuracy_under, mask_of
from pipeline.studies.params import LayersParams
from snnprune.core.dataset import Dataset
from snnprune.pruning.iterate import make_problem
from snnprune.pruning.mask import prunable_weights
from snnprune.pruning.params import PruneParams
from snnprune.pruning.scores import importance
from snnprune.pruning.select import keep_count
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import accuracy

LOOKS = [look(name) for name in ("cqp", "magnitude", "regrow", "osqp")]


def layer_rows(
    network: SpikingNetwork, dataset: Dataset, params: LayersParams, prune: PruneParams, seed: int
) -> list[Row]:
    """One row per layer and level; `loss_points` is what pruning that layer costs, in points of validation accuracy."""
    dense = accuracy(network, dataset.validation)
    names = list(prunable_weights(network))
    whole = make_problem(network, mask_of(network, names), params.levels[0], dataset.train, prune, seed_path=(seed, 0))
    scores = importance(whole.weights, whole.criticality(), params.alpha)
    rows = []
    for name, weight in whole.weights.items():
        for level in params.levels:
            start = mask_of(network, [name])
            mask = replace(whole, mask=start, keep=keep_count(level, start.size)).keep_top(scores)
            found = accuracy_under(network, mask, dataset.validation)
            rows.append(
                {
                    "layer": name,
                    "synapses": weight.numel(),
                    "level": level,
                    "nnz": mask.nnz,
                    "validation_accuracy": found,
                    "loss_points": 100 * (dense - found),
                }
            )
    return rows


def summarize(table: pd.DataFrame) -> dict[str, Any]:
    """Per layer and level the loss over seeds; the most sensitive layer at each level."""
    results = [
        {
            "layer": layer,
            "synapses": int(group["synapses"].iloc[0]),
            "level": float(level),
            "loss_points": describe(group["loss_points"].tolist()),
        }
        for (layer, level), group in table.groupby(["layer", "level"], sort=False)
    ]
    findings = []
    for level in sorted({result["level"] for result in results}):
        worst = max((r for r in results if r["level"] == level), key=lambda r: r["loss_points"]["mean"])
        findings.append(
            f"{worst['layer']} is the most sensitive layer at {level:g}: alone it costs "
            f"{worst['loss_points']['mean']:.2f} points"
        )
    metrics = {f"loss_points/{r['layer']}/{r['level']:g}": r["loss_points"]["mean"] for r in results}
    return {"findings": findings, "metrics": metrics, "results": results}


def draw(summary: dict[str, Any]) -> Figure:
    """Points of validation accuracy lost over the sparsity of the one layer that is pruned, 95 % intervals."""
    figure, (axes,) = panels(1, "which layer bears pruning? (one layer at a time, one step, no fine-tuning)", (8, 4.2))
    layers = list(dict.fromkeys(result["layer"] for result in summary["results"]))
    for index, layer in enumerate(layers):
        results = [result for result in summary["results"] if result["layer"] == layer]
        axes.errorbar(
            [1 - result["level"] for result in results],
            [result["loss_points"]["mean"] for result in results],
            yerr=[half_interval(result["loss_points"], 1) for result in results],
            label=f"{layer} ({results[0]['synapses']:,} synapses)",
            capsize=3,
            **LOOKS[index % len(LOOKS)],
        )
    sparsity_axis(axes, sorted({result["level"] for result in summary["results"]}), "sparsity of the layer (%)")
    axes.set_ylabel("validation accuracy lost (points)")
    axes.legend(frameon=False)
    return figure
