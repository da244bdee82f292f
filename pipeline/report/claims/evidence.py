"""What the claims are read from: the comparison and the studies of one experiment, and one reading per quantity.

A reading gives its quantity over seeds in the unit of the claim, or raises `NotMeasured` with what is lacking.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE
from pipeline.report.comparison.summary import Comparison
from pipeline.report.statistics import Interval, describe, means, paired_difference
from pipeline.report.studies import Studied
from pipeline.report.words import percent, steps_text
from snnprune.energy.profiles import formula_reduction

COMPARE = "compare"
PROFILE = "horowitz_45nm_fp32"
ALL = "all"  # the layer of the study energy's rows that sum all layers


class NotMeasured(Exception):
    """The experiment has no such study, or not that level."""


@dataclass(frozen=True)
class Evidence:
    """The comparison, on which dataset it was made, and what every study found."""

    comparison: Comparison
    dataset: str
    studies: Mapping[str, Studied] = field(default_factory=dict)

    def of(self, source: str) -> Any:
        """The comparison, or what a study found. Raises NotMeasured when the experiment has no such study, or one dense
        net: claims are about networks and their training, which its intervals do not cover."""
        if self.comparison.one_dense_net:
            raise NotMeasured("one dense net, of a user, so that no interval covers its training")
        if source == COMPARE:
            return self.comparison
        if source not in self.studies:
            raise NotMeasured(f"no study {source}")
        return self.studies[source]


@dataclass(frozen=True)
class Measured:
    """A quantity over seeds, and in a few words of what, where that is not in its name. every_step: the same with a
    constant input counted at every step, where that is another number."""

    interval: Interval
    where: str = ""
    every_step: Interval | None = None


@dataclass(frozen=True)
class Reading:
    """Where a quantity is read, from the comparison or a study (`source`), and how."""

    source: str
    read: Callable[[Evidence], Measured]

    def made_by(self, experiment: str) -> tuple[str, str]:
        """The stage that measured it, and its file below the experiment's results."""
        if self.source == COMPARE:
            return f"compare@{experiment}", "compare/summary.json"
        return f"study@{experiment}-{self.source}", f"studies/{self.source}/table.csv"


def cell(source: str, column: str, scale: float = 1, part: str = "results", **row: Any) -> Reading:
    """The interval of a row of the comparison's or a study's results, or of another `part` of them, times `scale`."""

    def read(evidence: Evidence) -> Measured:
        found = evidence.of(source)
        if source != COMPARE:
            found = found.summary
        rows = found.results if part == "results" else found.more[part]
        rows = rows[(rows[list(row)] == list(row.values())).all(axis=1)].dropna(subset=column)
        if rows.empty:
            about = ", ".join(f"{key} {percent(value) if key == 'level' else value}" for key, value in row.items())
            raise NotMeasured(f"no {column} of {about}")
        return Measured(rows[column].iloc[0].scaled(scale))

    return Reading(source, read)


def margin(method: str, over: str, level: float) -> Reading:
    """A method's margin over another at a level, in points."""
    found = cell(COMPARE, "margin", 100, method=method, level=level)

    def read(evidence: Evidence) -> Measured:
        if (baseline := evidence.comparison.baseline) != over:
            raise NotMeasured(f"no margins over {over}{f', but over {baseline}' if baseline else ''}")
        return found.read(evidence)

    return Reading(COMPARE, read)


def reading_of(study: str) -> Callable[[Callable[..., Measured]], Callable[..., Reading]]:
    """Makes of a function of what a study found, and of options, a function of the options that gives a reading."""
    return lambda function: lambda **options: Reading(study, lambda found: function(found.of(study), **options))


@reading_of("relaxation")
def largest_of_form(study: Studied, form: str, key: str) -> Measured:
    """The largest mean over levels of `overshoot_points` or `loss_points` of a relaxation's form, in points. Only
    levels at which the program of every seed was feasible: a mean over the seeds that were is of other nets."""
    mine = study.summary.results[study.summary.results["form"] == form].dropna(subset=key)
    mine = mine[mine[key].map(lambda interval: interval.n) == mine["seeds"]]
    if mine.empty:
        raise NotMeasured(f"form {form} was feasible for every seed at no level")
    worst = mine.loc[means(mine[key]).idxmax()]
    return Measured(worst[key], f"at {percent(worst.level)}")


@reading_of("zombies")
def zombies_of_moments(study: Studied) -> Measured:
    """Zombies after the last step with gradients masked, minus those with the moments masked too, paired over seeds."""
    table = study.table
    last = table[table["step"] == table["step"].max()]
    kept, masked = (_by_seed(last[last["setting"] == setting], "zombies") for setting in ("gradients", "+ moments"))
    return Measured(_difference(kept, masked), f"after {int(table['step'].max())} steps")


@reading_of("staleness")
def gain_of_recomputing(study: Studied) -> Measured:
    """Test accuracy with criticality recomputed minus frozen, at the experiment's highest level, paired, in points."""
    if study.summary.results.empty:
        raise NotMeasured("no level is high enough for the study staleness")
    highest = study.summary.results.loc[study.summary.results["level"].idxmax()]
    return Measured(highest.gain_points, f"at {percent(highest.level)}")


@reading_of("energy")
def steps_left_out(study: Studied) -> Measured:
    """T - T' of the dense nets, in steps."""
    short, _, where = _truncated(study, DENSE, 0.0)
    return Measured(describe(short["timesteps"] - short["steps"]), where)


@reading_of("energy")
def accuracy_change_by_truncation(study: Studied) -> Measured:
    """The dense nets' test accuracy at T' minus at T, paired, in points."""
    short, dense, where = _truncated(study, DENSE, 0.0)
    return Measured(_difference(100 * short["accuracy"], 100 * dense["accuracy"]), where)


@reading_of("energy")
def counted_saving(study: Studied, method: str, level: float) -> Measured:
    """Energy of a net at T' saved against the same seed's dense net at T, counted from spikes, in %."""
    short, dense, where = _truncated(study, method, level)
    columns = [f"{convention}_{PROFILE}" for convention in ("energy_once_pj", "energy_pj")]
    if not {*columns} <= {*short}:
        raise NotMeasured(f"the study energy has no hardware profile {PROFILE}")
    once, every_step = (describe(100 * (1 - short[column] / dense[column])) for column in columns)
    return Measured(once, where, None if short["macs"].equals(short["macs_once"]) else every_step)


@reading_of("energy")
def formula_saving(study: Studied, method: str, level: float) -> Measured:
    """The same by the paper's formula, in %, of the sparsity to a hundredth of a percent: with whole synapses 70 % may
    be 69.9996 %."""
    short, _, where = _truncated(study, method, level)
    sparsity = (1 - short["nnz"] / short["synapses"]).round(4)
    saved = formula_reduction(sparsity, short["steps"], short["timesteps"])
    return Measured(describe(100 * saved), where)


@reading_of("sweep")
def fall_at(study: Studied, rule: str, tau: float) -> Measured:
    """By how many points of test accuracy a rule falls from the threshold before `tau` to `tau`, paired over seeds."""
    mine = study.table[study.table["rule"] == rule]
    before = [low for low, high in itertools.pairwise(sorted(mine["tau"].unique())) if high == tau]
    if not before:
        raise NotMeasured(f"tau = {tau:g} is not among the sweep's thresholds, or is the first")
    high, low = (_by_seed(mine[mine["tau"] == value], "accuracy") for value in (before[0], tau))
    where = f"tau {before[0]:g} to {tau:g}, {100 * high.mean():.2f} to {100 * low.mean():.2f} %"
    return Measured(_difference(100 * high, 100 * low), where)


@reading_of("alpha")
def lead_of_alpha(study: Studied, alpha: float) -> Measured:
    """Validation accuracy at `alpha` minus that of the best other one, means over levels, paired, in points."""
    by_seed = study.table.groupby(["alpha", "seed"])["validation_accuracy"].mean()
    others = by_seed.groupby("alpha").mean().drop(alpha, errors="ignore")
    if alpha not in by_seed.index.levels[0] or others.empty:
        raise NotMeasured(f"alpha = {alpha:g} and another one are not both among the values")
    best = others.idxmax()
    return Measured(_difference(100 * by_seed[alpha], 100 * by_seed[best]), f"the best other is {best:g}")


def _truncated(study: Studied, method: str, level: float) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """On test, by seed: a method's nets of a level at T', the dense nets at T, and T' in words."""
    table = study.table
    rows = table[(table["layer"] == ALL) & (table["split"] == "test")].set_index("seed").sort_index()
    short = rows[(rows["method"] == method) & (rows["level"] == level) & rows["truncated"]]
    if short.empty:
        raise NotMeasured(f"the study energy has no net of {method} at {percent(level)}")
    where = f"T' = {steps_text(short['steps'])} of {short['timesteps'].max():g} steps"
    return short, rows[(rows["method"] == DENSE) & (rows["steps"] == rows["timesteps"])], where


def _by_seed(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows.set_index("seed")[column].sort_index()


def _difference(values: pd.Series, baseline: pd.Series) -> Interval:
    """Paired over the seeds that index both. Raises NotMeasured when they have not the same seeds."""
    if values.empty or values.index.tolist() != baseline.index.tolist():
        raise NotMeasured("the two were not measured on the same seeds")
    return paired_difference(values, baseline)
