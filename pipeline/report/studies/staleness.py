"""Summary, sentences and figure of the study `staleness`."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.statistics import describe, paired_difference
from pipeline.report.style import half_interval, look, panels, sparsity_axis
from snnprune.core.errors import UserError


def paired_table(frozen: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    """`frozen` with `validation_accuracy` and `accuracy` of the prune stage's `fresh` rows (seed, level).

    Raises:
        UserError: a row has no partner.
    """
    columns = ["seed", "level", "validation_accuracy", "accuracy"]
    paired = frozen.merge(fresh[columns], on=["seed", "level"], validate="one_to_one")
    if len(paired) < len(frozen):
        found = ", ".join(f"{level:g}" for level in sorted(set(fresh["level"])))
        raise UserError(f"staleness: prune has other levels ({found}) than its block in params.yaml; run it again")
    return paired


def summarize(table: pd.DataFrame, above: float) -> dict[str, Any]:
    """Per level from `above` on: test accuracy of both, and fresh minus frozen in points, paired over seeds."""
    results = [
        {
            "level": float(level),
            "accuracy": describe(group["accuracy"].tolist()),
            "frozen_accuracy": describe(group["frozen_accuracy"].tolist()),
            "gain_points": paired_difference(
                (100 * group["accuracy"]).tolist(), (100 * group["frozen_accuracy"]).tolist()
            ),
        }
        for level, group in table[table["level"] >= above].groupby("level")
    ]
    findings = [f"recomputing criticality at {r['level']:g}: {_gain(r['gain_points'])}" for r in results]
    metrics = {f"gain_points/{r['level']:g}": r["gain_points"]["mean"] for r in results}
    return {"findings": findings, "metrics": metrics, "results": results}


def draw(summary: dict[str, Any]) -> Figure:
    """Left: test accuracy of both. Right: the paired gain. 95 % intervals over seeds."""
    figure, (left, right) = panels(
        2, "staleness: criticality recomputed at every level, or frozen at the dense net", (10, 4.2)
    )
    results = summary["results"]
    shares = [1 - result["level"] for result in results]
    for key, label, style in (("accuracy", "recomputed", look("cqp")), ("frozen_accuracy", "frozen", look("gradient"))):
        values = [100 * result[key]["mean"] for result in results]
        left.errorbar(shares, values, yerr=[half_interval(r[key]) for r in results], label=label, capsize=3, **style)
    gains = [result["gain_points"] for result in results]
    right.errorbar(
        shares,
        [gain["mean"] for gain in gains],
        yerr=[half_interval(gain, 1) for gain in gains],
        capsize=3,
        **look("cqp"),
    )
    right.axhline(0, color="black", linewidth=1)
    left.set_ylabel("test accuracy (%)")
    right.set_ylabel("recomputed - frozen (points)")
    left.legend(frameon=False)
    for axes in (left, right):
        sparsity_axis(axes, [result["level"] for result in results])
    return figure


def _gain(gain: dict[str, Any]) -> str:
    text = f"{gain['mean']:+.2f} points"
    if gain["low"] is None:
        return text
    p = "" if gain["p"] is None else f", p = {gain['p']:.2g}"
    return f"{text} (95 % interval {gain['low']:+.2f} to {gain['high']:+.2f}{p})"
