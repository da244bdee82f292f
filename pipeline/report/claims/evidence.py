"""What the claims are read from: the comparison and the studies of one experiment, and one reading per quantity.

A reading returns its quantity over seeds in the unit of the claim, or raises `NotMeasured` with what is lacking.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pandas as pd

from pipeline.io.nets import DENSE
from pipeline.report.comparison.summary import Comparison, Result
from pipeline.report.statistics import Interval, describe, paired_difference
from pipeline.report.studies import StudySummary
from snnprune.energy.profiles import formula_reduction

PROFILE = "horowitz_45nm_fp32"
ALL = "all"  # the layer of the study energy's rows that sum all layers

Entry = TypeVar("Entry")


class NotMeasured(Exception):
    """The experiment has no such study, or not that level."""


@dataclass(frozen=True)
class Evidence:
    """The comparison, and by study its table and its summary."""

    comparison: Comparison
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    summaries: Mapping[str, StudySummary] = field(default_factory=dict)

    def summary(self, study: str) -> Any:
        """Raises NotMeasured when the experiment has no such study."""
        return _of_study(self.summaries, study)

    def table(self, study: str) -> pd.DataFrame:
        """Raises NotMeasured when the experiment has no such study."""
        return _of_study(self.tables, study)


@dataclass(frozen=True)
class Measured:
    """A quantity over seeds, and in a few words of what, where that is not in its name."""

    interval: Interval
    where: str = ""


def fair_margin(evidence: Evidence, level: float) -> Measured:
    """CQP's test accuracy minus magnitude's at a level, paired over seeds, in points."""
    margin = _compared(evidence, "cqp", level).margin
    if margin is None:
        raise NotMeasured("magnitude was not pruned beside CQP")
    return Measured(margin.scaled(100))


def fair_accuracy(evidence: Evidence, level: float) -> Measured:
    """CQP's test accuracy at a level, in %."""
    return Measured(_compared(evidence, "cqp", level).accuracy.scaled(100))


def paper_margin(evidence: Evidence, level: float) -> Measured:
    """The same margin under protocol `paper`, in points."""
    return Measured(_one(evidence.summary("paper").margins, protocol="paper", level=level).margin_points)


def paper_accuracy(evidence: Evidence, level: float) -> Measured:
    """CQP's test accuracy under protocol `paper`, in %."""
    result = _one(evidence.summary("paper").results, protocol="paper", method="cqp", level=level)
    return Measured(result.accuracy.scaled(100))


def largest_of_form(evidence: Evidence, form: str, key: str) -> Measured:
    """The largest mean over levels of `overshoot_points` or `loss_points` of a relaxation's form, in points.

    Only levels at which the program of every seed was feasible: a mean over the seeds that were is of other nets.
    """
    found = [
        (getattr(result, key), result.level)
        for result in evidence.summary("relaxation").results
        if result.form == form and getattr(result, key) and getattr(result, key).n == result.seeds
    ]
    if not found:
        raise NotMeasured(f"form {form} was feasible for every seed at no level")
    worst, level = max(found, key=lambda entry: entry[0].mean)
    return Measured(worst, f"at {100 * level:g} %")


def zombies_of_moments(evidence: Evidence) -> Measured:
    """Zombies after the last step with gradients masked, minus those with the moments masked too, paired over seeds."""
    table = evidence.table("zombies")
    last = table[table["step"] == table["step"].max()]
    kept, masked = (_by_seed(last[last["setting"] == setting], "zombies") for setting in ("gradients", "+ moments"))
    return Measured(_difference(kept, masked), f"after {int(table['step'].max())} steps")


def gain_of_recomputing(evidence: Evidence) -> Measured:
    """Test accuracy with criticality recomputed minus frozen, at the experiment's highest level, paired, in points."""
    results = evidence.summary("staleness").results
    if not results:
        raise NotMeasured("no level is high enough for the study staleness")
    highest = max(results, key=lambda result: result.level)
    return Measured(highest.gain_points, f"at {100 * highest.level:g} %")


def steps_left_out(evidence: Evidence) -> Measured:
    """T - T' of the dense nets, in steps."""
    short = _truncated(evidence, DENSE, 0.0)
    return Measured(describe((short["timesteps"] - short["steps"]).tolist()), _truncation(short))


def accuracy_change_by_truncation(evidence: Evidence) -> Measured:
    """The dense nets' test accuracy at T' minus at T, paired, in points."""
    short, whole = _truncated(evidence, DENSE, 0.0), _dense_at_t(evidence)
    return Measured(_difference(100 * _by_seed(short, "accuracy"), 100 * whole["accuracy"]), _truncation(short))


def counted_saving(evidence: Evidence, method: str, level: float) -> Measured:
    """Energy of a net at T' saved against the same seed's dense net at T, counted from spikes, in %."""
    short, column = _truncated(evidence, method, level), f"energy_pj_{PROFILE}"
    if column not in short:
        raise NotMeasured(f"the study energy has no hardware profile {PROFILE}")
    saved = 1 - _by_seed(short, column) / _dense_at_t(evidence)[column]
    return Measured(describe((100 * saved).tolist()), _truncation(short))


def formula_saving(evidence: Evidence, method: str, level: float) -> Measured:
    """The same by the paper's formula, in %."""
    short = _truncated(evidence, method, level)
    saved = [
        100 * formula_reduction(1 - row.nnz / row.synapses, row.steps, row.timesteps)
        for row in short.itertuples(index=False)
    ]
    return Measured(describe(saved), _truncation(short))


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


def _of_study(found: Mapping[str, Entry], study: str) -> Entry:
    if study not in found:
        raise NotMeasured(f"the experiment has no study {study}")
    return found[study]


def _compared(evidence: Evidence, method: str, level: float) -> Result:
    return _one(evidence.comparison.results, method=method, level=level)


def _one(entries: Iterable[Entry], **wanted: Any) -> Entry:
    for entry in entries:
        if all(getattr(entry, key) == value for key, value in wanted.items()):
            return entry
    raise NotMeasured("no result of " + ", ".join(f"{key} {value}" for key, value in wanted.items()))


def _on_test(evidence: Evidence) -> pd.DataFrame:
    """The study energy's rows of whole nets on test."""
    table = evidence.table("energy")
    return table[(table["layer"] == ALL) & (table["split"] == "test")]


def _truncated(evidence: Evidence, method: str, level: float) -> pd.DataFrame:
    """A method's nets of a level at T', by seed."""
    rows = _on_test(evidence)
    rows = rows[(rows["method"] == method) & (rows["level"] == level) & rows["truncated"]]
    if rows.empty:
        raise NotMeasured(f"the study energy has no net of {method} at {100 * level:g} %")
    return rows.sort_values("seed")


def _dense_at_t(evidence: Evidence) -> pd.DataFrame:
    rows = _on_test(evidence)
    return rows[(rows["method"] == DENSE) & (rows["steps"] == rows["timesteps"])].set_index("seed").sort_index()


def _truncation(rows: pd.DataFrame) -> str:
    return f"T' = {rows['steps'].mean():.1f} of {rows['timesteps'].max():g} steps"


def _by_seed(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows.set_index("seed")[column].sort_index()


def _difference(values: pd.Series, baseline: pd.Series) -> Interval:
    """Paired over the seeds that index both. Raises NotMeasured when they have not the same seeds."""
    if values.empty or values.index.tolist() != baseline.index.tolist():
        raise NotMeasured("the two were not measured on the same seeds")
    return paired_difference(values.tolist(), baseline.tolist())
