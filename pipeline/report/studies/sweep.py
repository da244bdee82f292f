"""Summary, sentences and figure of the study `sweep`."""

import itertools
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.statistics import describe
from pipeline.report.style import half_interval, look, panels

RULES = {"energy": look("osqp"), "exact": look("cqp"), "cut": look("gradient")}


def summarize(table: pd.DataFrame) -> dict[str, Any]:
    """Per rule and tau over seeds, and every rule's cliff (`find_cliff`)."""
    results = [
        {
            "rule": rule,
            "tau": float(tau),
            "protected_share": describe((group["protected"] / group["synapses"]).tolist()),
            "feasible_seeds": int(group["feasible"].sum()),
            "seeds": len(group),
            "sparsity": describe(group["sparsity"].tolist()),
            "accuracy": describe(group["accuracy"].tolist()),
        }
        for (rule, tau), group in table.groupby(["rule", "tau"], sort=False)
    ]
    cliffs = {rule: find_cliff(table[table["rule"] == rule]) for rule in RULES}
    findings = [_say(rule, cliff) for rule, cliff in cliffs.items()]
    metrics: dict[str, float] = {}
    for rule, cliff in cliffs.items():
        if cliff["cause"] != "none":
            metrics |= {f"cliff_{key}/{rule}": cliff[key] for key in ("tau", "before", "after")}
    return {"findings": findings, "metrics": metrics, "cliffs": cliffs, "results": results}


def find_cliff(table: pd.DataFrame) -> dict[str, Any]:
    """The largest fall between neighbouring tau of one rule's rows, by mean validation accuracy; told in test accuracy.

    `tau` is where the fall ends; `before` and `after` are mean test accuracies. `cause` is `feasibility boundary` when
    seeds whose program becomes feasible there (before, nothing was pruned) carry more than half of the fall, else
    `rising sparsity` when more is pruned after it, else `protection lost`: as much is pruned, but other synapses;
    `none` when nothing falls.
    """
    columns = ["validation_accuracy", "accuracy", "sparsity", "feasible"]
    at = {tau: rows.set_index("seed").sort_index()[columns].astype(float) for tau, rows in table.groupby("tau")}
    falls = {
        (low, high): at[low]["validation_accuracy"] - at[high]["validation_accuracy"]
        for low, high in itertools.pairwise(sorted(at))
    }
    (low, high), fall = max(falls.items(), key=lambda entry: entry[1].mean())
    opened = at[high]["feasible"] > at[low]["feasible"]
    if fall.mean() <= 0:
        cause = "none"
    elif fall[opened].sum() > fall.sum() / 2:
        cause = "feasibility boundary"
    elif at[high]["sparsity"].mean() > at[low]["sparsity"].mean() + 1e-9:
        cause = "rising sparsity"
    else:
        cause = "protection lost"
    return {
        "tau": float(high),
        "tau_before": float(low),
        "before": float(at[low]["accuracy"].mean()),
        "after": float(at[high]["accuracy"].mean()),
        "sparsity_before": float(at[low]["sparsity"].mean()),
        "sparsity_after": float(at[high]["sparsity"].mean()),
        "cause": cause,
    }


def draw(summary: dict[str, Any]) -> Figure:
    """Test accuracy (left) and achieved sparsity (right) over tau; circled points are infeasible for some seed."""
    figure, (left, right) = panels(2, "threshold sweep: straight from the dense net, no fine-tuning", (11, 5.2))
    for rule, style in RULES.items():
        results = [result for result in summary["results"] if result["rule"] == rule]
        for axes, key in ((left, "accuracy"), (right, "sparsity")):
            taus = [result["tau"] for result in results]
            means = [100 * result[key]["mean"] for result in results]
            spread = [half_interval(result[key]) for result in results]
            axes.errorbar(taus, means, yerr=spread, label=rule, capsize=3, **style)
            hollow = [i for i, result in enumerate(results) if result["feasible_seeds"] < result["seeds"]]
            axes.plot(
                [taus[i] for i in hollow],
                [means[i] for i in hollow],
                linestyle="none",
                marker="o",
                markersize=11,
                markerfacecolor="none",
                markeredgecolor=style["color"],
                label=f"{rule}: infeasible for some seed" if hollow and axes is left else None,
            )
        cliff = summary["cliffs"][rule]
        if cliff["cause"] != "none":
            left.plot(
                [cliff["tau_before"], cliff["tau"]],
                [100 * cliff["before"], 100 * cliff["after"]],
                color=style["color"],
                linewidth=6,
                alpha=0.3,
                label=f"{rule}: the cliff ({cliff['cause']})",
            )
    left.set_ylabel("test accuracy (%)")
    right.set_ylabel("achieved sparsity (%)")
    for axes in (left, right):
        axes.set_xlabel("tau (criticality / its maximum)")
    figure.legend(*left.get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center", ncols=3)
    return figure


def _say(rule: str, cliff: dict[str, Any]) -> str:
    if cliff["cause"] == "none":
        return f"{rule}: no fall"
    return (
        f"{rule}: the cliff is at tau = {cliff['tau']:g} (from {cliff['tau_before']:g}): test accuracy "
        f"{100 * cliff['before']:.1f} -> {100 * cliff['after']:.1f} %, sparsity "
        f"{100 * cliff['sparsity_before']:.1f} -> {100 * cliff['sparsity_after']:.1f} %, cause: {cliff['cause']}"
    )
