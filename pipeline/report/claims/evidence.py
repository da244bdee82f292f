"""What the claims are read from: the comparison and the studies of one experiment, and one reading per quantity.

A reading returns its quantity over seeds in the unit of the claim, or raises `NotMeasured` with what is lacking.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE
from pipeline.report.statistics import Figures, describe, paired_difference
from snnprune.energy.profiles import formula_reduction

TABLES = {"zombies": "table.csv", "sweep": "table.csv", "alpha": "table.csv", "energy": "levels.csv"}  # rows by seed
PROFILE = "horowitz_45nm_fp32"


class NotMeasured(Exception):
    """The experiment has no such study, or not that level."""


@dataclass(frozen=True)
class Evidence:
    """The comparison's summary, and by study its summary and, for those of `TABLES`, that table."""

    comparison: Mapping[str, Any]
    summaries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def summary(self, study: str) -> Mapping[str, Any]:
        """Raises NotMeasured when the experiment has no such study."""
        if study not in self.summaries:
            raise NotMeasured(f"the experiment has no study {study}")
        return self.summaries[study]

    def table(self, study: str) -> pd.DataFrame:
        """Raises NotMeasured when the experiment has no such study."""
        if study not in self.tables:
            raise NotMeasured(f"the experiment has no study {study}")
        return self.tables[study]


@dataclass(frozen=True)
class Measured:
    """A quantity over seeds (`statistics.describe`), and in a few words of what, where that is not in its name."""

    figures: Figures
    where: str = ""


def fair_margin(evidence: Evidence, level: float) -> Measured:
    """CQP's test accuracy minus magnitude's at a level, paired over seeds, in points."""
    margin = _compared(evidence, "cqp", level)["margin"]
    if margin is None:
        raise NotMeasured("magnitude was not pruned beside CQP")
    return Measured(_scaled(margin, 100))


def fair_accuracy(evidence: Evidence, level: float) -> Measured:
    """CQP's test accuracy at a level, in %."""
    return Measured(_scaled(_compared(evidence, "cqp", level)["accuracy"], 100))


def paper_margin(evidence: Evidence, level: float) -> Measured:
    """The same margin under protocol `paper`, in points."""
    entry = _one(evidence.summary("paper")["margins"], protocol="paper", level=level)
    return Measured(entry["margin_points"])


def paper_accuracy(evidence: Evidence, level: float) -> Measured:
    """CQP's test accuracy under protocol `paper`, in %."""
    entry = _one(evidence.summary("paper")["results"], protocol="paper", method="cqp", level=level)
    return Measured(_scaled(entry["accuracy"], 100))


def largest_of_form(evidence: Evidence, form: str, key: str) -> Measured:
    """The largest mean over levels of `overshoot_points` or `loss_points` of a relaxation's form, in points.

    Only levels at which the program of every seed was feasible: a mean over the seeds that were is of other nets.
    """
    results = [
        result
        for result in evidence.summary("relaxation")["results"]
        if result["form"] == form and key in result and result[key]["n"] == result["seeds"]
    ]
    if not results:
        raise NotMeasured(f"form {form} was feasible for every seed at no level")
    worst = max(results, key=lambda result: result[key]["mean"])
    return Measured(worst[key], f"at {100 * worst['level']:g} %")


def zombies_of_moments(evidence: Evidence) -> Measured:
    """Zombies after the last step with gradients masked, minus those with the moments masked too, paired over seeds."""
    table = evidence.table("zombies")
    last = table[table["step"] == table["step"].max()]
    kept, masked = (_by_seed(last[last["setting"] == setting], "zombies") for setting in ("gradients", "+ moments"))
    return Measured(_difference(kept, masked), f"after {int(table['step'].max())} steps")


def gain_of_recomputing(evidence: Evidence) -> Measured:
    """Test accuracy with criticality recomputed minus frozen, at the experiment's highest level, paired, in points."""
    results = evidence.summary("staleness")["results"]
    if not results:
        raise NotMeasured("no level is high enough for the study staleness")
    highest = max(results, key=lambda result: result["level"])
    return Measured(highest["gain_points"], f"at {100 * highest['level']:g} %")


def steps_left_out(evidence: Evidence) -> Measured:
    """T - T' of the dense nets, in steps."""
    rows = _nets(evidence, DENSE, 0.0)
    return Measured(describe((rows["steps"] - rows["truncated_steps"]).tolist()), _truncation(rows))


def accuracy_change_by_truncation(evidence: Evidence) -> Measured:
    """The dense nets' test accuracy at T' minus at T, paired, in points."""
    rows = _nets(evidence, DENSE, 0.0)
    pair = ((100 * rows[key]).tolist() for key in ("truncated_accuracy", "accuracy"))
    return Measured(paired_difference(*pair), _truncation(rows))


def counted_saving(evidence: Evidence, method: str, level: float) -> Measured:
    """Energy of a net at T' saved against the same seed's dense net at T, counted from spikes, in %."""
    rows = _nets(evidence, method, level)
    column = f"truncated_reduction_{PROFILE}"
    if column not in rows:
        raise NotMeasured(f"the study energy has no hardware profile {PROFILE}")
    return Measured(describe((100 * rows[column]).tolist()), _truncation(rows))


def formula_saving(evidence: Evidence, method: str, level: float) -> Measured:
    """The same by the paper's formula, in %."""
    rows = _nets(evidence, method, level)
    saved = [
        100 * formula_reduction(row.sparsity, row.truncated_steps, row.steps) for row in rows.itertuples(index=False)
    ]
    return Measured(describe(saved), _truncation(rows))


def fall_at(evidence: Evidence, rule: str, tau: float) -> Measured:
    """By how many points of test accuracy a rule falls from the threshold before `tau` to `tau`, paired over seeds."""
    table = evidence.table("sweep")
    mine = table[table["rule"] == rule]
    thresholds = sorted(mine["tau"].unique())
    before = [low for low, high in itertools.pairwise(thresholds) if high == tau]
    if not before:
        raise NotMeasured(f"tau = {tau:g} is not among the sweep's thresholds, or is the first")
    high, low = (_by_seed(mine[mine["tau"] == value], "accuracy") for value in (before[0], tau))
    where = f"tau {before[0]:g} to {tau:g}, {100 * high.mean():.1f} to {100 * low.mean():.1f} %"
    return Measured(_difference(100 * high, 100 * low), where)


def lead_of_alpha(evidence: Evidence, alpha: float) -> Measured:
    """Validation accuracy at `alpha` minus that of the best other one, means over levels, paired, in points."""
    table = evidence.table("alpha")
    means = table.groupby(["alpha", "seed"])["validation_accuracy"].mean()
    over_seeds = means.groupby("alpha").mean()
    others = over_seeds.drop(alpha, errors="ignore")
    if len(others) == len(over_seeds) or others.empty:
        raise NotMeasured(f"alpha = {alpha:g} and another one are not both among the values")
    best = others.idxmax()
    return Measured(_difference(100 * means[alpha], 100 * means[best]), f"the best other is {best:g}")


def _compared(evidence: Evidence, method: str, level: float) -> Mapping[str, Any]:
    return _one(evidence.comparison["results"], method=method, level=level)


def _one(entries: Sequence[Mapping[str, Any]], **wanted: Any) -> Mapping[str, Any]:
    found = [entry for entry in entries if all(entry[key] == value for key, value in wanted.items())]
    if not found:
        raise NotMeasured("no result of " + ", ".join(f"{key} {value}" for key, value in wanted.items()))
    return found[0]


def _nets(evidence: Evidence, method: str, level: float) -> pd.DataFrame:
    table = evidence.table("energy")
    rows = table[(table["method"] == method) & (table["level"] == level)]
    if rows.empty:
        raise NotMeasured(f"the study energy has no net of {method} at {100 * level:g} %")
    return rows.sort_values("seed")


def _truncation(rows: pd.DataFrame) -> str:
    return f"T' = {rows['truncated_steps'].mean():.1f} of {rows['steps'].max():g} steps"


def _by_seed(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows.set_index("seed")[column].sort_index()


def _difference(values: pd.Series, baseline: pd.Series) -> Figures:
    """Paired over the seeds that index both. Raises NotMeasured when they have not the same seeds."""
    if values.empty or values.index.tolist() != baseline.index.tolist():
        raise NotMeasured("the two were not measured on the same seeds")
    return paired_difference(values.tolist(), baseline.tolist())


def _scaled(figures: Figures, factor: float) -> Figures:
    """The figures in another unit."""
    values = {key: figures[key] for key in ("mean", "sd", "low", "high")}
    return {"n": figures["n"], **{key: None if value is None else factor * value for key, value in values.items()}}
