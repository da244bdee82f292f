"""The page's tables as strings: the comparison by level, the claims, the front, savings."""

from typing import Any

import pandas as pd

from pipeline.io.nets import net_name
from pipeline.report.claims.judge import PROTOCOLS, told
from pipeline.report.comparison.tables import with_interval
from pipeline.report.page.page import PageTable

MISSED = 5e-5  # an achieved sparsity further than this from its level is told


def by_level(summary: dict[str, Any]) -> PageTable:
    """Test accuracy by level and method, the margins over magnitude, and the sparsity of methods that missed theirs."""
    found = {(result["method"], result["level"]): result for result in summary["results"]}
    methods = list(dict.fromkeys(method for method, _ in found))
    levels = sorted({level for _, level in found})
    margins = [method for method in methods if method == "cqp" and any(found[method, at]["margin"] for at in levels)]
    missing = [method for method in methods if any(_missed(found[method, level]) for level in levels)]
    rows = [
        [
            f"{100 * level:g} %",
            *(with_interval(found[method, level]["accuracy"]) for method in methods),
            *(_margin(found[method, level]["margin"]) for method in margins),
            *(f"{100 * found[method, level]['sparsity']['mean']:.2f} %" for method in missing),
        ]
        for level in levels
    ]
    seeds = len(summary["seeds"])
    return PageTable(
        f"Test accuracy in % by sparsity and method, mean ± 95 % t-interval over {seeds} "
        f"seed{'s' if seeds != 1 else ''}; the dense net has {with_interval(summary['dense'])} %. Margins are paired "
        "differences in points, * p < 0.05, not corrected for the number of levels.",
        [
            "sparsity",
            *methods,
            *(f"{method} over magnitude" for method in margins),
            *(f"{method}, achieved" for method in missing),
        ],
        rows,
    )


def of_front(front: pd.DataFrame, profile: str, points: float) -> PageTable:
    """The accuracy-energy front of a profile, by rising energy, down to `points` below its best."""
    mine = front[front["profile"] == profile]
    shown = mine[100 * mine["accuracy"] >= 100 * mine["accuracy"].max() - points]
    rows = [
        [
            net_name(row["method"], row["level"]),
            f"T' = {row['steps']:.1f}" if row["truncated"] else f"{row['steps']:g}",
            f"{100 * row['sparsity']:.2f} %",
            _share(row, "accuracy"),
            f"{row['energy_pj'] / 1e6:.4g}",
            _share(row, "reduction"),
        ]
        for row in shown.to_dict("records")
    ]
    return PageTable(
        f"The accuracy-energy front, profile {profile}: settings that no other beats on validation in both, told in "
        f"figures of test, where they may change places. Shown are the best {points:g} points of accuracy; "
        "studies/energy/front.csv has all, and the other profiles.",
        ["net", "time steps", "sparsity", "test accuracy %", "energy of a sample, µJ", "saved against dense, %"],
        rows,
    )


def of_savings(summary: dict[str, Any], profile: str) -> PageTable:
    """Energy saved by formula and by count of the nets that are told of, at T and at T'; what their weights take."""
    rows = [
        [
            net_name(result["method"], result["level"]),
            f"T' = {result['mean_steps']:.1f}" if result["truncated"] else f"{result['mean_steps']:g}",
            with_interval(result["formula"]),
            with_interval(result["reduction"][profile]),
            with_interval(result["accuracy"]),
            f"{result['csr_bytes']:,.0f}",
            f"{result['bitmask_bytes']:,.0f}",
        ]
        for result in summary["results"]
    ]
    header = ["net", "time steps", "saved by formula, %", "saved by count, %", "test accuracy %"]
    return PageTable(
        f"Energy saved against the dense net at T = {summary['timesteps']}, by the paper's formula 1 - (1 - s) T'/T "
        f"and counted from spikes (profile {profile}); what the weights take as CSR and as values with a bit mask.",
        [*header, "CSR, bytes", "bit mask, bytes"],
        rows,
    )


def of_cheapest(summary: dict[str, Any]) -> PageTable:
    """By hardware profile the cheapest setting within the allowed loss, and the profile's prices."""
    rows = [
        [
            name,
            f"{profile['mac_pj']:g} / {profile['ac_pj']:g} / {profile['neuron_update_pj']:g}",
            setting_name(summary["cheapest"][name], summary["timesteps"]),
            with_interval(summary["cheapest"][name]["reduction"][name]),
            with_interval(summary["cheapest"][name]["difference"], sign="+"),
        ]
        for name, profile in summary["profiles"].items()
    ]
    header = ["profile", "MAC / AC / neuron update, pJ", "cheapest setting", "saved, %", "test accuracy, points"]
    return PageTable(
        "By hardware profile the cheapest setting that loses no more validation accuracy than allowed "
        "(energy.max_loss in params.yaml), told in figures of test against the dense net.",
        header,
        rows,
    )


def of_claims(claims: dict[str, Any]) -> list[dict[str, Any]]:
    """Every claim with its conditions as a table."""
    return [
        claim
        | {
            "table": PageTable(
                f"What must hold for the claim, as measured: mean, 95 % interval and outcome ({claim['id']}).",
                ["quantity", "claimed", "the paper", "protocol fair", "protocol paper"],
                [_condition(condition) for condition in claim["conditions"]],
            )
        }
        for claim in claims["claims"]
    ]


def setting_name(result: dict[str, Any], timesteps: int) -> str:
    """`cqp at 0.95, 5 of 10 steps`."""
    steps = f"T' = {result['mean_steps']:.1f}" if result["truncated"] else f"{result['mean_steps']:g}"
    return f"{net_name(result['method'], result['level'])}, {steps} of {timesteps} steps"


def _condition(condition: dict[str, Any]) -> list[str]:
    ours = " (our threshold)" if condition["threshold_of"] == "ours" else ""
    stated = condition["paper_value"]
    cells = []
    for protocol in PROTOCOLS:
        found = condition[protocol]
        if found["mean"] is None:
            cells.append(f"not measured: {found['where']}")
        else:
            notes = [found["outcome"], *filter(None, (found["size"], found["where"])), f"{found['n']} seeds"]
            cells.append(f"{told(condition, protocol)}\n{', '.join(notes)}")
    return [
        condition["quantity"],
        f"{condition['side']} {_with_unit(condition['threshold'], condition['unit'])}{ours}",
        "no number" if stated is None else _with_unit(stated, condition["unit"]),
        *cells,
    ]


def _with_unit(value: float, unit: str) -> str:
    return f"{value:g} {unit.removesuffix('s') if value == 1 else unit}"


def _missed(result: dict[str, Any]) -> bool:
    return abs(result["sparsity"]["mean"] - result["level"]) > MISSED and any(
        count != result["keep"] for count in result["nnz"]
    )


def _margin(margin: dict[str, Any] | None) -> str:
    if margin is None:
        return ""
    return with_interval(margin, sign="+") + ("*" if margin["p"] is not None and margin["p"] < 0.05 else "")


def _share(row: dict[str, Any], key: str) -> str:
    low, high = (None if pd.isna(row[f"{key}_{end}"]) else row[f"{key}_{end}"] for end in ("low", "high"))
    return with_interval({"mean": row[key], "low": low, "high": high})
