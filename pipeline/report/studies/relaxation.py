"""The study `relaxation`: what rounding a relaxed mask does to sparsity and accuracy."""

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import level_text
from pipeline.report.statistics import means, over_seeds, paired_difference
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
OPTIMAL = "optimal"  # cvxpy's status
SECOND = ("second_distance", "second_objective", "second_differing")
ROUNDED, EXACT = "osqp", "osqp_exact"  # methods of the comparison: the second keeps as many, chosen exactly
ACCURACIES = ("accuracy_fractional", "accuracy_rounded", "accuracy_matched", "accuracy_exact")


def summarize(table: pd.DataFrame, context: Context | None = None) -> StudySummary:
    """Per form of the program and level, over the seeds for which it was feasible; None where it was for none.
    `loss_points` is what the rounded mask loses against the exact one of the level, `matched_points` against the exact
    one of its own sparsity; both only where there is an exact mask of the level. `second_`: against the second solver's
    masks, over the seeds where it solved the program, `second_solved` of them."""
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
        ["protected", *measured[:-1], *POINTS, *SECOND],
        second_solved=lambda group: int((group["second_status"] == OPTIMAL).sum()),
        feasible_seeds=lambda group: int(group["feasible"].sum()),
        seeds=len,
    )
    findings = [line for form in LOOKS for line in _findings(form, results[results["form"] == form])]
    findings += [_second_finding(form, rows[(rows["form"] == form) & rows["feasible"]]) for form in LOOKS]
    control = pd.DataFrame() if context is None else control_of(context.evaluated)
    if len(control):
        findings.append(_control_finding(control))
    metrics = metrics_of(results, (*POINTS, *SECOND), lambda one: f"{one.form}/{level_text(one.level)}")
    return StudySummary(findings, metrics, results, more={"control": control})


def control_of(evaluated: pd.DataFrame) -> pd.DataFrame:
    """Per level what the fine-tuned nets of `osqp` are ahead of those of `osqp_exact`, which keep as many synapses:
    `lead`, the paired difference of test accuracy. Empty where the experiment lacks one of the two."""
    nets = evaluated[evaluated["method"].isin([ROUNDED, EXACT])]
    if nets["method"].nunique() < 2:
        return pd.DataFrame()
    pairs = nets.pivot(index=["level", "seed"], columns="method", values="accuracy").dropna().reset_index()
    return over_seeds(pairs, ["level"], lead=lambda group: paired_difference(group[ROUNDED], group[EXACT]))


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


def _second_finding(form: str, rows: pd.DataFrame) -> str:
    """How far the two solvers are apart, over all levels and seeds of a form."""
    solved = rows[rows["second_status"] == OPTIMAL]
    counted = f"{form}: a second solver (CLARABEL) solved {len(solved)} of {len(rows)} programs"
    if not len(solved):
        return counted
    apart, differing = solved["second_distance"].max(), int(solved["second_differing"].max())
    objective = solved["second_objective"].abs().max()
    return (
        f"{counted}; OSQP's entries differ from its by {apart:.1e} at most, the objective by {objective:.1e} of its "
        f"value, and {differing:,} entries round to another value"
    )


def _control_finding(control: pd.DataFrame) -> str:
    leads = ", ".join(f"{percent(one.level)}: {one.lead.text(sign='+')}" for one in control.itertuples())
    return (
        f"After fine-tuning {ROUNDED} is ahead of {EXACT}, which keeps as many synapses, chosen exactly, by these "
        f"points of test accuracy (level asked, 95 % interval, not corrected for several levels): {leads}"
    )


REPORT = StudyReport("The relaxation trap", summarize, (Drawing("relaxation", CAPTION, draw),))
