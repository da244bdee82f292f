"""Summary, sentences and figure of the study `zombies`."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.statistics import describe
from pipeline.report.style import panels

LINES = {
    "none": ("#D55E00", "-"),
    "gradients": ("#E69F00", "-"),
    "+ moments": ("#56B4E9", "--"),
    "+ weights": ("#0072B2", ":"),
}


def summarize(table: pd.DataFrame) -> dict[str, Any]:
    """Per setting over seeds: zombies (first step, last step, most), final sparsity and accuracy."""
    results = []
    for setting, group in table.groupby("setting", sort=False):
        last = group[group["step"] == group["step"].max()]
        curve = group.groupby("step")[["zombies", "sparsity", "validation_accuracy"]].mean()
        results.append(
            {
                "setting": setting,
                "zombies_first": describe(group[group["step"] == 1]["zombies"].tolist()),
                "zombies_last": describe(last["zombies"].tolist()),
                "zombies_most": int(group["zombies"].max()),
                "sparsity": describe(last["sparsity"].tolist()),
                "validation_accuracy": describe(last["validation_accuracy"].tolist()),
                "curve": {
                    "step": [int(step) for step in curve.index],
                    "zombies": curve["zombies"].tolist(),
                    "sparsity": curve["sparsity"].tolist(),
                    "validation_accuracy": [None if pd.isna(v) else v for v in curve["validation_accuracy"]],
                },
            }
        )
    findings = [
        f"guards {r['setting']}: {r['zombies_last']['mean']:,.0f} zombies after the last step "
        f"({r['zombies_most']:,} at most), sparsity {100 * r['sparsity']['mean']:.2f} %, "
        f"validation accuracy {100 * r['validation_accuracy']['mean']:.2f} %"
        for r in results
    ]
    metrics = {}
    for r in results:
        key = r["setting"].removeprefix("+ ")
        metrics[f"zombies/{key}"] = r["zombies_last"]["mean"]
        metrics[f"zombies_most/{key}"] = float(r["zombies_most"])
        metrics[f"sparsity/{key}"] = r["sparsity"]["mean"]
    return {"findings": findings, "metrics": metrics, "results": results}


def draw(summary: dict[str, Any]) -> Figure:
    """Zombies, achieved sparsity and validation accuracy over the optimiser steps, mean over seeds."""
    figure, axes = panels(
        3, "pruned weights that Adam revives, by what is masked (each includes the ones before)", (12, 4)
    )
    names = {"zombies": "zombies", "sparsity": "sparsity (%)", "validation_accuracy": "validation accuracy (%)"}
    for panel, (key, label) in zip(axes, names.items(), strict=True):
        for result in summary["results"]:
            colour, line = LINES[result["setting"]]
            points = [
                (s, v) for s, v in zip(result["curve"]["step"], result["curve"][key], strict=True) if v is not None
            ]
            scale = 1 if key == "zombies" else 100
            panel.plot(
                [step for step, _ in points],
                [scale * value for _, value in points],
                label=result["setting"],
                color=colour,
                linestyle=line,
                linewidth=2,
            )
        panel.set_xlabel("optimiser step after pruning")
        panel.set_ylabel(label)
    axes[0].set_yscale("symlog", linthresh=1)
    axes[0].set_ylim(bottom=-0.2)
    axes[0].legend(frameon=False)
    return figure
