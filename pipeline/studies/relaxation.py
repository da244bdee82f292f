"""The trap: what relaxing CQP's binary program and rounding it does to sparsity and accuracy, level by level.

All masks come from the dense net in one step. The rounded mask is compared with the exact top-k of CQP's importance:
at the asked sparsity (`exact`, for `energy` with the same synapses protected), and at the sparsity that rounding
achieved (`matched`). What is lost against the first but not the second is lost by missing the target; `budget` loses
nothing else, since its relaxed mask rises with the importance, while `energy` has another objective.
"""

import math
import time
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from pipeline.analysis.statistics import describe
from pipeline.analysis.style import half_interval, look, panels, sparsity_axis
from pipeline.io.files import Row
from pipeline.studies.one_shot import accuracy_under, mask_of
from pipeline.studies.params import RelaxationParams
from snnprune.core.dataset import Dataset
from snnprune.pruning.iterate import make_problem
from snnprune.pruning.mask import flatten, prunable_weights, unflatten
from snnprune.pruning.params import PruneParams
from snnprune.pruning.problem import Layers
from snnprune.pruning.relaxations import (
    FLOOR,
    Relaxed,
    Solver,
    budget_closed_form,
    energy_closed_form,
    is_energy_feasible,
    solve_budget,
    solve_energy_if_feasible,
)
from snnprune.pruning.scores import by_presynaptic_neuron, importance, normalized
from snnprune.pruning.select import InfeasibleSelection, keep_count, keep_top
from snnprune.snn.network import SpikingNetwork

FRACTIONAL = 1e-3  # an entry is fractional when it is further than this from both 0 and 1
FORMS = ("budget", "energy")


def relaxation_rows(
    network: SpikingNetwork, dataset: Dataset, params: RelaxationParams, prune: PruneParams, seed: int
) -> list[Row]:
    """One row per form and level; accuracies are test accuracies, None where the program is infeasible.

    `ideal_sparsity` is that of the rounded closed form, `distance` the largest difference of an entry from it;
    `bound` is the largest number of protected synapses with which `energy` is feasible at the level.
    """
    start = mask_of(network, list(prunable_weights(network)))
    problem = make_problem(network, start, prune.targets[0], dataset.train, prune, seed_path=(seed, 0))
    critical = problem.criticality()
    weights = flatten(problem.weights).double()
    scores = flatten(importance(problem.weights, critical, params.alpha)).double()
    columns = normalized(by_presynaptic_neuron(critical))
    protected = flatten(columns) > params.tau
    solver = Solver(params.tolerance, params.max_iter)
    rows = []
    for level in prune.targets:
        keep, drop = keep_count(level, start.size), math.floor(level * start.size)
        for form in FORMS:
            started = time.perf_counter()
            if form == "budget":
                relaxed = solve_budget(scores.numpy(), keep, solver)
                ideal, guarded = budget_closed_form(np.maximum(scores.numpy(), 1e-300), keep), None
            else:
                relaxed = solve_energy_if_feasible(weights.numpy(), protected.numpy(), drop, solver)
                ideal, guarded = energy_closed_form(protected.numpy()), protected
            print(f"  seed {seed}, {form} at {level:g}: {time.perf_counter() - started:.1f} s", flush=True)
            rows.append(
                {
                    "form": form,
                    "level": level,
                    "synapses": start.size,
                    "protected": 0 if guarded is None else int(guarded.count_nonzero()),
                    "bound": _bound(start.size, drop) if form == "energy" else None,
                    **_figures(relaxed, ideal),
                    **_accuracies(network, dataset, problem.weights, relaxed, scores, keep, guarded),
                }
            )
    return rows


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


def _bound(size: int, drop: int) -> int:
    """The largest number of protected synapses for which the form `energy` is feasible."""
    most = int((size - drop) / FLOOR) + 1
    while not is_energy_feasible(size, most, drop):
        most -= 1
    return min(most, size)


def _figures(relaxed: Relaxed | None, ideal: np.ndarray) -> Row:
    if relaxed is None:
        return {
            "feasible": False,
            "sparsity": None,
            "ideal_sparsity": None,
            "fractional_share": None,
            "distance": None,
            "iterations": None,
        }
    mask = relaxed.mask
    return {
        "feasible": True,
        "sparsity": 1 - int((mask > 0.5).sum()) / len(mask),
        "ideal_sparsity": 1 - int((ideal > 0.5).sum()) / len(mask),
        "fractional_share": float(((mask > FRACTIONAL) & (mask < 1 - FRACTIONAL)).mean()),
        "distance": float(np.abs(mask - ideal).max()),
        "iterations": relaxed.iterations,
    }


def _accuracies(
    network: SpikingNetwork,
    dataset: Dataset,
    like: Layers,
    relaxed: Relaxed | None,
    scores: torch.Tensor,
    keep: int,
    protected: torch.Tensor | None,
) -> Row:
    def under(vector: torch.Tensor) -> float:
        return accuracy_under(network, unflatten(vector, like), dataset.test)

    try:
        exact = under(keep_top(scores, keep, protected))
    except InfeasibleSelection:
        exact = None
    if relaxed is None:
        return {
            "accuracy_fractional": None,
            "accuracy_rounded": None,
            "accuracy_exact": exact,
            "accuracy_matched": None,
        }
    mask = torch.from_numpy(relaxed.mask)
    rounded = mask > 0.5
    return {
        "accuracy_fractional": under(mask.clamp(0, 1)),
        "accuracy_rounded": under(rounded),
        "accuracy_exact": exact,
        "accuracy_matched": under(keep_top(scores, int(rounded.count_nonzero()))),
    }


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
