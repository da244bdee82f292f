"""The study `sweep`: what a threshold of protection does to accuracy and sparsity."""

import itertools
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.statistics import means, over_seeds
from pipeline.report.studies import Context, StudyReport, StudySummary
from pipeline.report.style import Drawing, draw_intervals, legend_below, look, panels
from pipeline.report.words import percent

CAPTION = (
    "The relaxed program and the hard cut keep less and less as tau rises, and accuracy falls with it. The "
    "shaded band is the cliff: the largest fall between neighbouring thresholds."
)
RULES = {  # of two rules that do the same the later is drawn thin over the other
    "energy": ("relaxed program of the author's code", look("gradient") | {"linewidth": 4, "markersize": 9}),
    "exact": ("exact top-k with protection", look("cqp") | {"linewidth": 2}),
    "cut": ("hard cut", look("cut") | {"linewidth": 1.2, "linestyle": "--", "markersize": 4}),
}
RING = {"linestyle": "none", "marker": "o", "markersize": 14, "color": "black", "markerfacecolor": "none"}
NO_CLIFF = "none"


@dataclass(frozen=True)
class Cliff:
    """The largest fall between neighbouring thresholds: mean test accuracy and sparsity before and after it, its cause.
    The cause is `feasibility boundary` when seeds whose program becomes feasible there (before, nothing was pruned)
    carry more than half of the fall, else `rising sparsity` when more is pruned after it, else `protection lost`: as
    much is pruned, but other synapses; `none` when nothing falls."""

    tau: float
    tau_before: float
    before: float
    after: float
    sparsity_before: float
    sparsity_after: float
    cause: str


def summarize(table: pd.DataFrame, context: Context | None = None) -> StudySummary:
    """Per rule and tau, and every rule's cliff."""
    cliffs = {rule: find_cliff(table[table["rule"] == rule]) for rule in RULES}
    return StudySummary(
        [_finding(rule, cliff) for rule, cliff in cliffs.items()],
        {
            f"cliff_{key}/{rule}": getattr(cliff, key)
            for rule, cliff in cliffs.items()
            for key in ("tau", "before", "after")
            if cliff.cause != NO_CLIFF
        },
        over_seeds(
            table.assign(protected_share=table["protected"] / table["synapses"]),
            ["rule", "tau"],
            ["protected_share", "sparsity", "accuracy"],
            feasible_seeds=lambda rows: int(rows["feasible"].sum()),
            seeds=len,
        ),
        more={"cliffs": cliffs},
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
    before, after = at[low].mean(), at[high].mean()
    opened = at[high]["feasible"] > at[low]["feasible"]
    if fall.mean() <= 0:
        cause = NO_CLIFF
    elif fall[opened].sum() > fall.sum() / 2:
        cause = "feasibility boundary"
    elif after["sparsity"] > before["sparsity"] + 1e-9:
        cause = "rising sparsity"
    else:
        cause = "protection lost"
    found = (high, low, before["accuracy"], after["accuracy"], before["sparsity"], after["sparsity"])
    return Cliff(*map(float, found), cause)


def draw(summary: StudySummary) -> Figure:
    """Test accuracy (left) and achieved sparsity (right) over tau; the cliffs of both programs are shaded. Large
    circles are thresholds at which the program is infeasible for some seed."""
    title = "threshold sweep: straight from the dense net, no fine-tuning"
    labels = ("test accuracy (%)", "achieved sparsity (%)")
    figure, both = panels(title, (10.5, 5), *labels, x="tau (criticality / its maximum)")
    results = summary.results
    infeasible = results[results["feasible_seeds"] < results["seeds"]]
    for axes, key in zip(both, ("accuracy", "sparsity"), strict=True):
        for rule, (name, style) in RULES.items():
            rows = results[results["rule"] == rule]
            draw_intervals(axes, rows["tau"], rows[key], label=name, elinewidth=1.2, **style)
        if len(infeasible):
            axes.plot(infeasible["tau"], 100 * means(infeasible[key]), label="infeasible for some seed", **RING)
    for rule in ("energy", "exact"):
        cliff, colour = summary.more["cliffs"][rule], RULES[rule][1]["color"]
        if cliff.cause != NO_CLIFF:
            label = f"cliff: {100 * cliff.before:.2f} to {100 * cliff.after:.2f} % ({cliff.cause})"
            both[0].axvspan(cliff.tau_before, cliff.tau, color=colour, alpha=0.15, linewidth=0, label=label)
    legend_below(figure, both[0], columns=3)
    return figure


def _finding(rule: str, cliff: Cliff) -> str:
    if cliff.cause == NO_CLIFF:
        return f"{rule}: accuracy does not fall"
    return (
        f"{rule}: the cliff is at tau = {cliff.tau:g} (from {cliff.tau_before:g}): test accuracy "
        f"{100 * cliff.before:.2f} -> {100 * cliff.after:.2f} %, sparsity "
        f"{percent(cliff.sparsity_before)} -> {percent(cliff.sparsity_after)}, cause: {cliff.cause}"
    )


REPORT = StudyReport("Threshold sweep and its cliff", summarize, (Drawing("sweep", CAPTION, draw),))
