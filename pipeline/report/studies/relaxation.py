"""The study `relaxation`: what rounding a relaxed mask does to sparsity and accuracy."""

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import level_text
from pipeline.report.statistics import means, over_seeds
from pipeline.report.studies import Context, StudyReport, StudySummary, metrics_of
from pipeline.report.style import Drawing, draw_intervals, look, panels, sparsity_axis
from pipeline.report.words import percent

CAPTION = (
    "A relaxed mask rounded at 0.5 misses the requested sparsity (left, off zero), and so its accuracy differs "
    "from that of the exact mask (right, dashed against solid)."
)
LOOKS = {"budget": look("osqp"), "energy": look("gradient")}  # by form of the program
LINES = {"exact": "-", "fractional": ":", "rounded": "--"}  # by mask
POINTS = ("overshoot_points", "loss_points", "matched_points")
ACCURACIES = ("accuracy_fractional", "accuracy_rounded", "accuracy_matched", "accuracy_exact")


def summarize(table: pd.DataFrame, context: Context | None = None) -> StudySummary:
    """Per form of the program and level, over the seeds for which it was feasible; None where it was for none.
    `loss_points` is what the rounded mask loses against the exact one of the level, `matched_points` against the exact
    one of its own sparsity; both only where there is an exact mask of the level."""
    measured = ["fractional_share", "distance", *ACCURACIES, "sparsity"]
    rows = table.assign(**table[measured].astype(float).where(table["feasible"]))
    matched = rows["accuracy_matched"].where(rows["accuracy_exact"].notna())
    rows = rows.assign(
        overshoot_points=100 * (rows["sparsity"] - rows["level"]),
        loss_points=100 * (rows["accuracy_exact"] - rows["accuracy_rounded"]),
        matched_points=100 * (matched - rows["accuracy_rounded"]),
    )
    results = over_seeds(
        rows,
        ["form", "level"],
        ["protected", *measured[:-1], *POINTS],
        feasible_seeds=lambda group: int(group["feasible"].sum()),
        seeds=len,
    )
    findings = [line for form in LOOKS for line in _findings(form, results[results["form"] == form])]
    metrics = metrics_of(results, POINTS, lambda one: f"{one.form}/{level_text(one.level)}")
    return StudySummary(findings, metrics, results)


def draw(summary: StudySummary) -> Figure:
    """Left: achieved minus asked sparsity. Right: test accuracy with the fractional, rounded and exact mask."""
    title = "the relaxation trap: one step from the dense net, no fine-tuning"
    labels = ("achieved - asked sparsity (points)", "test accuracy (%)")
    figure, (left, right) = panels(title, (11, 4.4), *labels)
    for form, style in LOOKS.items():
        results = summary.results[summary.results["form"] == form]
        solved = results.dropna(subset="overshoot_points")
        draw_intervals(left, 1 - solved["level"], solved["overshoot_points"], 1, label=form, **style)
        for mask, line in LINES.items():
            known = results.dropna(subset=f"accuracy_{mask}")
            accuracies = 100 * means(known[f"accuracy_{mask}"])
            right.plot(1 - known["level"], accuracies, label=f"{form}, {mask}", linestyle=line, **style)
    left.axhline(0, color="black", linewidth=1)
    for axes in (left, right):
        sparsity_axis(axes, summary.results["level"], "sparsity asked (%)")
        axes.legend(frameon=False, fontsize=8, handlelength=4)
    return figure


def _findings(form: str, results: pd.DataFrame) -> list[str]:
    lines = []
    if len(solved := results.dropna(subset="overshoot_points")):
        over = solved.loc[means(solved["overshoot_points"]).idxmax()]
        lines.append(f"{form}: largest overshoot {over.overshoot_points.mean:+.2f} points, at {percent(over.level)}")
    if len(lossy := results.dropna(subset="loss_points")):
        worst = lossy.loc[means(lossy["loss_points"]).idxmax()]
        lines.append(
            f"{form}: at {percent(worst.level)} the rounded mask loses {worst.loss_points.mean:.2f} points of test "
            f"accuracy against the exact mask of that level, {worst.matched_points.mean:.2f} against the exact mask of "
            "its own sparsity"
            if worst.loss_points.mean > 0
            else f"{form}: the rounded mask loses no test accuracy against the exact mask of the same level"
        )
    infeasible = results.loc[results["feasible_seeds"] < results["seeds"], "level"]
    if len(infeasible):
        levels = ", ".join(f"{percent(level)}" for level in infeasible)
        lines.append(f"{form}: infeasible for some seed at {levels}")
    return lines


REPORT = StudyReport("The relaxation trap", summarize, (Drawing("relaxation", CAPTION, draw),))
