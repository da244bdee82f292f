"""The study `relaxation`: what rounding a relaxed mask does to sparsity and accuracy."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import level_text
from pipeline.report.statistics import Interval, describe
from pipeline.report.studies import Context, Drawing, StudyReport, StudySummary
from pipeline.report.style import draw_intervals, look, panels, sparsity_axis

CAPTION = (
    "A relaxed mask rounded at 0.5 misses the requested sparsity (left, off zero), and so its accuracy differs "
    "from that of the exact mask (right, dashed against solid)."
)
LOOKS = {"budget": look("osqp"), "energy": look("gradient")}  # by form of the program
LINES = {"exact": "-", "fractional": ":", "rounded": "--"}  # by mask


@dataclass(frozen=True)
class RelaxationResult:
    """A form of the program at a level, over the seeds for which it was feasible; None where it was for none.

    `loss_points` is what the rounded mask loses against the exact one of the level, `matched_points` against the exact
    one of its own sparsity.
    """

    form: str
    level: float
    feasible_seeds: int
    seeds: int
    protected: Interval
    overshoot_points: Interval | None = None
    fractional_share: Interval | None = None
    distance: Interval | None = None
    accuracy_fractional: Interval | None = None
    accuracy_rounded: Interval | None = None
    accuracy_matched: Interval | None = None
    accuracy_exact: Interval | None = None
    loss_points: Interval | None = None
    matched_points: Interval | None = None


@dataclass(frozen=True)
class RelaxationSummary(StudySummary):
    """A result per form and level."""

    results: list[RelaxationResult]


def summarize(table: pd.DataFrame, context: Context | None = None) -> RelaxationSummary:
    """Per form and level over seeds."""
    groups = table.groupby(["form", "level"], sort=False)
    results = [_result(str(form), float(level), group) for (form, level), group in groups]
    metrics = {
        f"{key}/{result.form}/{level_text(result.level)}": getattr(result, key).mean
        for result in results
        for key in ("overshoot_points", "loss_points", "matched_points")
        if getattr(result, key)
    }
    findings = [line for form in LOOKS for line in _findings(form, [one for one in results if one.form == form])]
    return RelaxationSummary(findings, metrics, results)


def draw(summary: RelaxationSummary) -> Figure:
    """Left: achieved minus target sparsity. Right: test accuracy with the fractional, rounded and exact mask."""
    figure, (left, right) = panels(2, "the relaxation trap: one step from the dense net, no fine-tuning", (11, 4.4))
    for form, style in LOOKS.items():
        results = [result for result in summary.results if result.form == form and result.overshoot_points]
        kept = [1 - result.level for result in results]
        draw_intervals(left, kept, [result.overshoot_points for result in results], scale=1, label=form, **style)
        for mask, line in LINES.items():
            known = [(1 - one.level, found) for one in results if (found := getattr(one, f"accuracy_{mask}"))]
            right.plot(
                [share for share, _ in known],
                [100 * accuracy.mean for _, accuracy in known],
                label=f"{form}, {mask}",
                linestyle=line,
                **style,
            )
    left.axhline(0, color="black", linewidth=1)
    left.set_ylabel("achieved - target sparsity (points)")
    right.set_ylabel("test accuracy (%)")
    for axes in (left, right):
        sparsity_axis(axes, sorted({result.level for result in summary.results}), "target sparsity (%)")
        axes.legend(frameon=False, fontsize=8, handlelength=4)
    return figure


def _result(form: str, level: float, group: pd.DataFrame) -> RelaxationResult:
    feasible = group[group["feasible"]]
    found = {"overshoot_points": 100 * (feasible["sparsity"] - level)}
    found |= {key: feasible[key] for key in ("fractional_share", "distance")}
    found |= {key: feasible[key] for key in ("accuracy_fractional", "accuracy_rounded", "accuracy_matched")}
    exact = feasible.dropna(subset=["accuracy_exact"])
    found["accuracy_exact"] = exact["accuracy_exact"]
    found["loss_points"] = 100 * (exact["accuracy_exact"] - exact["accuracy_rounded"])
    found["matched_points"] = 100 * (exact["accuracy_matched"] - exact["accuracy_rounded"])
    return RelaxationResult(
        form=form,
        level=level,
        feasible_seeds=len(feasible),
        seeds=len(group),
        protected=describe(group["protected"].tolist()),
        **{key: describe(values.tolist()) for key, values in found.items() if len(values)},
    )


def _findings(form: str, results: list[RelaxationResult]) -> list[str]:
    lines = []
    if solved := [result for result in results if result.overshoot_points]:
        over = max(solved, key=lambda result: result.overshoot_points.mean)
        lines.append(f"{form}: largest overshoot {over.overshoot_points.mean:+.2f} points, at {100 * over.level:g} %")
    if lossy := [result for result in results if result.loss_points]:
        worst = max(lossy, key=lambda result: result.loss_points.mean)
        lines.append(
            f"{form}: at {100 * worst.level:g} % the rounded mask loses {worst.loss_points.mean:.2f} points of test "
            f"accuracy against the exact mask of that level, {worst.matched_points.mean:.2f} against the exact mask of "
            "its own sparsity"
            if worst.loss_points.mean > 0
            else f"{form}: the rounded mask loses no test accuracy against the exact mask of the same level"
        )
    if infeasible := [f"{100 * result.level:g} %" for result in results if result.feasible_seeds < result.seeds]:
        lines.append(f"{form}: infeasible for some seed at {', '.join(infeasible)}")
    return lines


REPORT = StudyReport("The relaxation trap", summarize, (Drawing("relaxation", CAPTION, draw),))
