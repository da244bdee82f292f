"""The study `zombies`: pruned weights that Adam revives, by what is masked."""

from collections.abc import Callable
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.statistics import Interval, describe, over_seeds
from pipeline.report.studies import Context, StudyReport, StudySummary
from pipeline.report.style import Drawing, panels
from pipeline.report.words import percent

CAPTION = (
    "Masking gradients alone is not enough: the moments of the dense training revive pruned weights (left) and "
    "undo the sparsity (middle). With the moments masked too, none comes back."
)
LINES = {
    "none": ("#D55E00", "-"),
    "gradients": ("#E69F00", "-"),
    "+ moments": ("#56B4E9", "--"),
    "+ weights": ("#0072B2", ":"),
}
MASKED = {
    "none": "nothing",
    "gradients": "gradients",
    "+ moments": "gradients and moments",
    "+ weights": "gradients, moments and weights",
}
CURVES = {"zombies": "zombies", "sparsity": "sparsity (%)", "validation_accuracy": "validation accuracy (%)"}


def summarize(table: pd.DataFrame, context: Context | None = None) -> StudySummary:
    """Per setting of the guards: zombies after the first and the last step, the most of any, and how it ended. `curve`
    has means by optimiser step; accuracy is empty between the steps at which it was measured."""
    end = int(table["step"].max())
    results = over_seeds(
        table,
        ["setting"],
        zombies_first=_at(1, "zombies"),
        zombies_last=_at(end, "zombies"),
        zombies_most=lambda rows: int(rows["zombies"].max()),
        sparsity=_at(end, "sparsity"),
        validation_accuracy=_at(end, "validation_accuracy"),
        curve=lambda rows: rows.groupby("step")[list(CURVES)].mean().reset_index().to_dict("list"),
    )
    metrics: dict[str, float] = {}
    for one in results.itertuples():
        key = one.setting.removeprefix("+ ")
        metrics |= {f"zombies/{key}": one.zombies_last.mean, f"zombies_most/{key}": float(one.zombies_most)}
        metrics |= {f"sparsity/{key}": one.sparsity.mean}
    return StudySummary([_finding(one) for one in results.itertuples()], metrics, results)


def draw(summary: StudySummary) -> Figure:
    """Zombies, achieved sparsity and validation accuracy over the optimiser steps, mean over seeds."""
    title = "pruned weights that Adam revives, by what is masked (each includes the ones before)"
    figure, axes = panels(title, (12, 4), *CURVES.values(), x="optimiser step after pruning")
    for panel, key in zip(axes, CURVES, strict=True):
        for one in summary.results.itertuples():
            colour, line = LINES[one.setting]
            values = pd.Series(one.curve[key], one.curve["step"]).dropna() * (1 if key == "zombies" else 100)
            panel.plot(values, label=one.setting, color=colour, linestyle=line, linewidth=2)
    axes[0].set_yscale("symlog", linthresh=1)
    axes[0].set_ylim(bottom=-0.2)
    axes[0].legend(frameon=False)
    return figure


def _at(step: int, column: str) -> Callable[[pd.DataFrame], Interval]:
    return lambda rows: describe(rows.loc[rows["step"] == step, column])


def _finding(one: Any) -> str:
    return (
        f"With {MASKED[one.setting]} masked: {one.zombies_last.mean:,.0f} zombies after the last step "
        f"({one.zombies_most:,} at most), sparsity {percent(one.sparsity.mean)}, validation accuracy "
        f"{100 * one.validation_accuracy.mean:.2f} %"
    )


REPORT = StudyReport("Zombie weights", summarize, (Drawing("zombies", CAPTION, draw),))
