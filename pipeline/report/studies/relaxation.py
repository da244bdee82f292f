"""Summary, sentences and figure of the study `relaxation`."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.statistics import describe
from pipeline.report.style import half_interval, look, panels, sparsity_axis
from pipeline.studies.relaxation import FORMS


def summarize(table: pd.DataFrame) -> dict[str, Any]:
    """Per form and level over seeds: overshoot in points, accuracy with each mask, and what rounding costs."""
    results = []
    for (form, level), group in table.groupby(["form", "level"], sort=False):
        feasible = group[group["feasible"]]
        entry: dict[str, Any] = {
            "form": form,
            "level": float(level),
            "feasible_seeds": len(feasible),
            "seeds": len(group),
            "protected": describe(group["protected"].tolist()),
        }
        if len(feasible):
            entry |= {
                "overshoot_points": describe((100 * (feasible["sparsity"] - level)).tolist()),
                "fractional_share": describe(feasible["fractional_share"].tolist()),
                "distance": describe(feasible["distance"].tolist()),
                **{
                    key: describe(feasible[key].tolist())
                    for key in ("accuracy_fractional", "accuracy_rounded", "accuracy_matched")
                },
            }
            exact = feasible.dropna(subset=["accuracy_exact"])
            if len(exact):
                entry["accuracy_exact"] = describe(exact["accuracy_exact"].tolist())
                for key, other in (("loss_points", "accuracy_exact"), ("matched_points", "accuracy_matched")):
                    entry[key] = describe((100 * (exact[other] - exact["accuracy_rounded"])).tolist())
        results.append(entry)
    solved = [result for result in results if "overshoot_points" in result]
    metrics = {}
    for result in solved:
        for key in ("overshoot_points", "loss_points", "matched_points"):
            if key in result:
                metrics[f"{key}/{result['form']}/{result['level']:g}"] = result[key]["mean"]
    return {"findings": _findings(results), "metrics": metrics, "results": results}


def draw(summary: dict[str, Any]) -> Figure:
    """Left: achieved minus target sparsity. Right: test accuracy with the fractional, rounded and exact mask."""
    figure, (left, right) = panels(2, "the relaxation trap: one step from the dense net, no fine-tuning", (11, 4.4))
    levels = sorted({result["level"] for result in summary["results"]})
    looks = {"budget": look("osqp"), "energy": look("gradient")}
    styles = {"accuracy_exact": "-", "accuracy_fractional": ":", "accuracy_rounded": "--"}
    for form in FORMS:
        results = [r for r in summary["results"] if r["form"] == form and "overshoot_points" in r]
        left.errorbar(
            [1 - r["level"] for r in results],
            [r["overshoot_points"]["mean"] for r in results],
            yerr=[half_interval(r["overshoot_points"], 1) for r in results],
            label=form,
            capsize=3,
            **looks[form],
        )
        for key, line in styles.items():
            known = [r for r in results if key in r]
            right.plot(
                [1 - r["level"] for r in known],
                [100 * r[key]["mean"] for r in known],
                label=f"{form}, {key.removeprefix('accuracy_')}",
                linestyle=line,
                **looks[form],
            )
    left.axhline(0, color="black", linewidth=1)
    left.set_ylabel("achieved - target sparsity (points)")
    right.set_ylabel("test accuracy (%)")
    for axes in (left, right):
        sparsity_axis(axes, levels, "target sparsity (%)")
        axes.legend(frameon=False, fontsize=8, handlelength=4)
    return figure


def _findings(results: list[dict[str, Any]]) -> list[str]:
    findings = []
    for form in FORMS:
        mine = [result for result in results if result["form"] == form]
        solved = [result for result in mine if "overshoot_points" in result]
        infeasible = [f"{r['level']:g}" for r in mine if r["feasible_seeds"] < r["seeds"]]
        if solved:
            over = max(solved, key=lambda r: r["overshoot_points"]["mean"])
            findings.append(
                f"{form}: largest overshoot {over['overshoot_points']['mean']:+.2f} points, at {over['level']:g}"
            )
        lossy = [result for result in solved if "loss_points" in result]
        if lossy:
            worst = max(lossy, key=lambda r: r["loss_points"]["mean"])
            loss, matched = worst["loss_points"]["mean"], worst["matched_points"]["mean"]
            findings.append(
                f"{form}: at {worst['level']:g} the rounded mask loses {loss:.2f} points of test accuracy against the "
                f"exact mask of the asked sparsity, {matched:.2f} against the exact mask of its own"
                if loss > 0
                else f"{form}: the rounded mask loses no test accuracy against the exact mask of the asked sparsity"
            )
        if infeasible:
            findings.append(f"{form}: infeasible for some seed at {', '.join(infeasible)}")
    return findings
