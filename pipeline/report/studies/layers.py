"""Summary, sentences and figure of the study `layers`."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.statistics import describe
from pipeline.report.style import half_interval, look, panels, sparsity_axis

LOOKS = [look(name) for name in ("cqp", "magnitude", "regrow", "osqp")]


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
