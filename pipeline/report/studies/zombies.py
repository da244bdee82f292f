"""The study `zombies`: pruned weights that Adam revives, by what is masked."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.statistics import Interval, describe
from pipeline.report.studies import Context, Drawing, StudyReport, StudySummary
from pipeline.report.style import panels

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


@dataclass(frozen=True)
class ZombieCurve:
    """Means over seeds by optimiser step; accuracy is None between the steps at which it was measured."""

    step: list[int]
    zombies: list[float]
    sparsity: list[float]
    validation_accuracy: list[float | None]


@dataclass(frozen=True)
class ZombieResult:
    """A setting of the guards: zombies after the first and the last step, the most of any, and how it ended."""

    setting: str
    zombies_first: Interval
    zombies_last: Interval
    zombies_most: int
    sparsity: Interval
    validation_accuracy: Interval
    curve: ZombieCurve


@dataclass(frozen=True)
class ZombieSummary(StudySummary):
    """A result per setting."""

    results: list[ZombieResult]


def summarize(table: pd.DataFrame, context: Context | None = None) -> ZombieSummary:
    """Per setting over seeds."""
    results = [_result(str(setting), group) for setting, group in table.groupby("setting", sort=False)]
    metrics: dict[str, float] = {}
    for result in results:
        key = result.setting.removeprefix("+ ")
        metrics[f"zombies/{key}"] = result.zombies_last.mean
        metrics[f"zombies_most/{key}"] = float(result.zombies_most)
        metrics[f"sparsity/{key}"] = result.sparsity.mean
    findings = [
        f"guards {result.setting}: {result.zombies_last.mean:,.0f} zombies after the last step "
        f"({result.zombies_most:,} at most), sparsity {100 * result.sparsity.mean:.2f} %, "
        f"validation accuracy {100 * result.validation_accuracy.mean:.2f} %"
        for result in results
    ]
    return ZombieSummary(findings, metrics, results)


def draw(summary: ZombieSummary) -> Figure:
    """Zombies, achieved sparsity and validation accuracy over the optimiser steps, mean over seeds."""
    title = "pruned weights that Adam revives, by what is masked (each includes the ones before)"
    figure, axes = panels(3, title, (12, 4))
    names = {"zombies": "zombies", "sparsity": "sparsity (%)", "validation_accuracy": "validation accuracy (%)"}
    for panel, (key, label) in zip(axes, names.items(), strict=True):
        scale = 1 if key == "zombies" else 100
        for result in summary.results:
            colour, line = LINES[result.setting]
            values = zip(result.curve.step, getattr(result.curve, key), strict=True)
            points = [(step, scale * value) for step, value in values if value is not None]
            panel.plot(*zip(*points, strict=True), label=result.setting, color=colour, linestyle=line, linewidth=2)
        panel.set_xlabel("optimiser step after pruning")
        panel.set_ylabel(label)
    axes[0].set_yscale("symlog", linthresh=1)
    axes[0].set_ylim(bottom=-0.2)
    axes[0].legend(frameon=False)
    return figure


def _result(setting: str, group: pd.DataFrame) -> ZombieResult:
    last = group[group["step"] == group["step"].max()]
    curve = group.groupby("step")[["zombies", "sparsity", "validation_accuracy"]].mean()
    return ZombieResult(
        setting=setting,
        zombies_first=describe(group[group["step"] == 1]["zombies"].tolist()),
        zombies_last=describe(last["zombies"].tolist()),
        zombies_most=int(group["zombies"].max()),
        sparsity=describe(last["sparsity"].tolist()),
        validation_accuracy=describe(last["validation_accuracy"].tolist()),
        curve=ZombieCurve(
            step=[int(step) for step in curve.index],
            zombies=curve["zombies"].tolist(),
            sparsity=curve["sparsity"].tolist(),
            validation_accuracy=[None if pd.isna(value) else value for value in curve["validation_accuracy"]],
        ),
    )


REPORT = StudyReport("Zombie weights", summarize, (Drawing("zombies", CAPTION, draw),))
