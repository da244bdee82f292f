"""Chooses one net of an experiment's comparison: method and level by mean validation accuracy under constraints, then
the seed by its own. Test accuracy is not read; the energy is what stage evaluate counted on the test images."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from pipeline.io.nets import DENSE, level_text, net_name, percent
from pipeline.promotion.params import PromotionParams, read_energy
from snnprune.core.errors import UserError

DIGITS = 12  # differences of means beyond these are floating-point noise
PREFIX = "energy_once_pj_"
CHOSEN_BY = {  # what is in the columns of comparison.csv that are read, beside that of the energy
    **dict.fromkeys(("experiment", "method"), str),
    "seed": int,
    **dict.fromkeys(("level", "keep", "nnz", "empty_layers", "validation_accuracy"), float),
}


@dataclass(frozen=True)
class Candidate:
    """A net chosen. seed: which of the nets of its method and level. accuracies: validation accuracy of all of these,
    by seed, as fractions of 1; dense: of the dense nets they were pruned from. energy_pj: of a sample, mean over seeds;
    saved: share of the dense nets' energy that is saved. constraint: what was asked, in words."""

    experiment: str
    method: str
    level: float
    seed: int
    accuracies: Mapping[int, float]
    dense: Mapping[int, float]
    energy_pj: float
    saved: float
    profile: str
    constraint: str

    @property
    def net(self) -> str:
        """Its name, `cqp@0.95/seed1`."""
        return net_name(self.method, self.level, self.seed)

    @property
    def mean(self) -> float:
        """Mean validation accuracy over the seeds."""
        return _mean(self.accuracies)

    @property
    def dense_mean(self) -> float:
        """That of the dense nets."""
        return _mean(self.dense)


def choose(table: pd.DataFrame, params: PromotionParams) -> Candidate:
    """The net that `params` ask for, among the rivals: those of which every seed keeps exactly the synapses asked for
    and some in every layer.

    With `level` or `max_energy` it is the method and level with the highest mean validation accuracy, of equal ones the
    sparsest; with `max_loss` alone the sparsest level that any keeps, and there the highest. Its seed is the best on
    validation, of equal ones the first.

    Args:
        table: the tidy table of stage compare, comparison.csv.
        params: the constraints.

    Raises:
        UserError: no rival meets the constraints (the message says how near the nearest comes), or the profile is none
            of the table's.
    """
    column = PREFIX + params.profile
    if column not in table:
        there = ", ".join(name.removeprefix(PREFIX) for name in table if name.startswith(PREFIX))
        raise UserError(f"profile: {params.profile!r} is none of those counted: {there}")
    experiment = str(table["experiment"].iloc[0])
    dense = table[table["method"] == DENSE]
    dense_mean, dense_pj = dense["validation_accuracy"].mean(), dense[column].mean()
    limit = None if params.max_energy is None else read_energy(params.max_energy).limit_pj(dense_pj)
    rivals = _rivals(table, column).assign(loss=lambda rows: (dense_mean - rows["accuracy"]).round(DIGITS))
    constraint = _in_words(params)
    if rivals.empty:
        raise UserError(f"{experiment}: no net keeps exactly what was asked in every layer, so none can be promoted")
    found = rivals
    if params.level is not None:
        found = found[found["level"] == params.level]
        if found.empty:
            there = ", ".join(level_text(level) for level in sorted(set(rivals["level"])))
            raise UserError(f"{experiment}: level: no rival has {params.level}; levels of rivals: {there}")
    if limit is not None:
        nearest = found.loc[found["energy_pj"].idxmin()]
        found = found[found["energy_pj"] <= limit]
        if found.empty:
            at_least = f"{nearest.energy_pj:.4g} pJ, {percent(nearest.energy_pj / dense_pj)} of the dense nets'"
            raise UserError(
                f"{experiment}: no net {constraint}, {limit:.4g} pJ; the cheapest, "
                f"{net_name(nearest.method, nearest.level)}, needs {at_least}"
            )
    if params.allowed_loss is not None:
        nearest = found.loc[found["loss"].idxmin()]
        found = found[found["loss"] <= params.allowed_loss]
        if found.empty:
            raise UserError(
                f"{experiment}: no net {constraint}; the nearest, {net_name(nearest.method, nearest.level)}, loses "
                f"{100 * nearest.loss:.2f} points on validation ({100 * dense_mean:.2f} % dense)"
            )
    if params.level is None and limit is None:
        found = found[found["level"] == found["level"].max()]
    best = found.sort_values(["loss", "level"], ascending=[True, False], kind="stable").iloc[0]
    nets = table[(table["method"] == best.method) & (table["level"] == best.level)].sort_values("seed")
    accuracies = _by_seed(nets)
    return Candidate(
        experiment,
        best.method,
        float(best.level),
        max(accuracies, key=accuracies.__getitem__),
        accuracies,
        _by_seed(dense),
        float(best.energy_pj),
        float(1 - best.energy_pj / dense_pj),
        params.profile,
        constraint,
    )


def _rivals(table: pd.DataFrame, energy: str) -> pd.DataFrame:
    """Method, level, mean validation `accuracy` and `energy_pj` of what is exact and whole in every seed."""
    pruned = table[table["method"] != DENSE]
    is_sound = (pruned["nnz"] == pruned["keep"]) & (pruned["empty_layers"] == 0)
    groups = pruned.assign(is_sound=is_sound).groupby(["method", "level"], sort=False)
    means = groups.agg(
        accuracy=("validation_accuracy", "mean"), energy_pj=(energy, "mean"), is_rival=("is_sound", "all")
    )
    return means[means["is_rival"]].reset_index()


def _by_seed(rows: pd.DataFrame) -> dict[int, float]:
    return {int(row.seed): float(row.validation_accuracy) for row in rows.sort_values("seed").itertuples()}


def _mean(accuracies: Mapping[int, float]) -> float:
    return sum(accuracies.values()) / len(accuracies)


def _in_words(params: PromotionParams) -> str:
    """`at 95 % sparsity, of at most 10% of the dense nets' energy, within 0.5 points of the dense nets`."""
    parts = [] if params.level is None else [f"at {percent(params.level)} sparsity"]
    if params.max_energy is not None:
        energy = read_energy(params.max_energy)
        limit = params.max_energy if energy.share is None else f"{percent(energy.share)} of the dense nets' energy"
        parts.append(f"of at most {limit} ({params.profile})")
    if params.allowed_loss is not None:
        parts.append(f"within {100 * params.allowed_loss:g} points of the dense nets on validation")
    return ", ".join(parts)
