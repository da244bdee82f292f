"""The study `sweep`: what a threshold of protection does to accuracy and sparsity."""

import itertools
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.statistics import Interval, describe
from pipeline.report.studies import Context, Drawing, StudyReport, StudySummary
from pipeline.report.style import draw_intervals, legend_below, look, panels

CAPTION = (
    "The relaxed program and the hard cut keep less and less as tau rises, and accuracy falls with it. The "
    "shaded band is the cliff: the largest fall between neighbouring thresholds."
)
RULES = {  # of two rules that do the same the later is drawn thin over the other
    "energy": ("relaxed program of the author's code", look("gradient") | {"linewidth": 4, "markersize": 9}),
    "exact": ("exact top-k with protection", look("cqp") | {"linewidth": 2}),
    "cut": ("hard cut", look("cut") | {"linewidth": 1.2, "linestyle": "--", "markersize": 4}),
}
NO_CLIFF = "none"


@dataclass(frozen=True)
class SweepResult:
    """A rule at a threshold."""

    rule: str
    tau: float
    protected_share: Interval
    feasible_seeds: int
    seeds: int
    sparsity: Interval
    accuracy: Interval


@dataclass(frozen=True)
class Cliff:
    """The largest fall between neighbouring thresholds: mean test accuracy and sparsity before and after it, its cause.

    The cause is `feasibility boundary` when seeds whose program becomes feasible there (before, nothing was pruned)
    carry more than half of the fall, else `rising sparsity` when more is pruned after it, else `protection lost`: as
    much is pruned, but other synapses; `none` when nothing falls.
    """

    tau: float
    tau_before: float
    before: float
    after: float
    sparsity_before: float
    sparsity_after: float
    cause: str


@dataclass(frozen=True)
class SweepSummary(StudySummary):
    """A result per rule and threshold, and every rule's cliff."""

    cliffs: dict[str, Cliff]
    results: list[SweepResult]


def summarize(table: pd.DataFrame, context: Context | None = None) -> SweepSummary:
    """Per rule and tau over seeds."""
    cliffs = {rule: find_cliff(table[table["rule"] == rule]) for rule in RULES}
    return SweepSummary(
        findings=[_finding(rule, cliff) for rule, cliff in cliffs.items()],
        metrics={
            f"cliff_{key}/{rule}": getattr(cliff, key)
            for rule, cliff in cliffs.items()
            for key in ("tau", "before", "after")
            if cliff.cause != NO_CLIFF
        },
        cliffs=cliffs,
        results=[
            SweepResult(
                rule=str(rule),
                tau=float(tau),
                protected_share=describe((group["protected"] / group["synapses"]).tolist()),
                feasible_seeds=int(group["feasible"].sum()),
                seeds=len(group),
                sparsity=describe(group["sparsity"].tolist()),
                accuracy=describe(group["accuracy"].tolist()),
            )
            for (rule, tau), group in table.groupby(["rule", "tau"], sort=False)
        ],
    )


def find_cliff(table: pd.DataFrame) -> Cliff:
    """The cliff of one rule's rows: chosen by mean validation accuracy, reported in test accuracy."""
    columns = ["validation_accuracy", "accuracy", "sparsity", "feasible"]
    at = {tau: rows.set_index("seed").sort_index()[columns].astype(float) for tau, rows in table.groupby("tau")}
    falls = {
        (low, high): at[low]["validation_accuracy"] - at[high]["validation_accuracy"]
        for low, high in itertools.pairwise(sorted(at))
    }
    (low, high), fall = max(falls.items(), key=lambda entry: entry[1].mean())
    opened = at[high]["feasible"] > at[low]["feasible"]
    if fall.mean() <= 0:
        cause = NO_CLIFF
    elif fall[opened].sum() > fall.sum() / 2:
        cause = "feasibility boundary"
    elif at[high]["sparsity"].mean() > at[low]["sparsity"].mean() + 1e-9:
        cause = "rising sparsity"
    else:
        cause = "protection lost"
    return Cliff(
        tau=float(high),
        tau_before=float(low),
        before=float(at[low]["accuracy"].mean()),
        after=float(at[high]["accuracy"].mean()),
        sparsity_before=float(at[low]["sparsity"].mean()),
        sparsity_after=float(at[high]["sparsity"].mean()),
        cause=cause,
    )


def draw(summary: SweepSummary) -> Figure:
    """Test accuracy (left) and achieved sparsity (right) over tau; the cliffs of both programs are shaded.

    Large circles are thresholds at which the program is infeasible for some seed.
    """
    figure, both = panels(2, "threshold sweep: straight from the dense net, no fine-tuning", (10.5, 5))
    for axes, key in zip(both, ("accuracy", "sparsity"), strict=True):
        for rule, (name, style) in RULES.items():
            results = [result for result in summary.results if result.rule == rule]
            taus, values = [result.tau for result in results], [getattr(result, key) for result in results]
            draw_intervals(axes, taus, values, label=name, elinewidth=1.2, **style)
        infeasible = [result for result in summary.results if result.feasible_seeds < result.seeds]
        if infeasible:
            axes.plot(
                [result.tau for result in infeasible],
                [100 * getattr(result, key).mean for result in infeasible],
                label="infeasible for some seed",
                linestyle="none",
                marker="o",
                markersize=14,
                color="black",
                markerfacecolor="none",
            )
        axes.set_xlabel("tau (criticality / its maximum)")
    both[0].set_ylabel("test accuracy (%)")
    both[1].set_ylabel("achieved sparsity (%)")
    for rule in ("energy", "exact"):
        cliff, colour = summary.cliffs[rule], RULES[rule][1]["color"]
        if cliff.cause != NO_CLIFF:
            label = f"cliff: {100 * cliff.before:.1f} to {100 * cliff.after:.1f} % ({cliff.cause})"
            both[0].axvspan(cliff.tau_before, cliff.tau, color=colour, alpha=0.15, linewidth=0, label=label)
    legend_below(figure, both[0], columns=3)
    return figure


def _finding(rule: str, cliff: Cliff) -> str:
    if cliff.cause == NO_CLIFF:
        return f"{rule}: accuracy does not fall"
    return (
        f"{rule}: the cliff is at tau = {cliff.tau:g} (from {cliff.tau_before:g}): test accuracy "
        f"{100 * cliff.before:.1f} -> {100 * cliff.after:.1f} %, sparsity "
        f"{100 * cliff.sparsity_before:.1f} -> {100 * cliff.sparsity_after:.1f} %, cause: {cliff.cause}"
    )


REPORT = StudyReport("Threshold sweep and its cliff", summarize, (Drawing("sweep", CAPTION, draw),))
