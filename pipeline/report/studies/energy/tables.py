"""The tables of the study `energy`: every setting and the front as data, and what the page shows of them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.report.page.content import PageTable, table_of
from pipeline.report.studies.energy.settings import PRICED, setting_name, steps_of
from pipeline.report.words import milliseconds_text, net_text
from snnprune.energy.front import pareto_front
from snnprune.energy.profiles import Profile

BEST_POINTS = 10.0  # how far below the best the front's figure and table reach


def grid_table(validation: pd.DataFrame, test: pd.DataFrame, profile: str) -> pd.DataFrame:
    """A row per setting, of test but for the two columns by which is chosen, energies by this profile. In the rows of
    T' (`truncated`), which differs between seeds, and of early exit (`exits`) `steps` is the mean, of `most_steps` at
    most. `*_low` and `*_high` are 95 % intervals. A
    constant input is computed once, but at every step where the column says so and in `effective_macs`."""
    rows = []
    for chosen, one in zip(validation.itertuples(), test.itertuples(), strict=True):
        intervals = {key: getattr(one, key) for key in ("accuracy", "difference", "formula")}
        intervals |= {key: getattr(one, key)[profile] for key in PRICED}
        row = {
            "profile": profile,
            "method": one.method,
            "level": one.level,
            "truncated": one.truncated,
            "tuned": one.tuned,
            "exits": one.exits,
            "most_steps": one.most_steps,
            "empty": one.empty,
            "steps": one.mean_steps,
            "sparsity": one.sparsity.mean,
            "validation_accuracy": chosen.accuracy.mean,
            "validation_loss_at_most": -chosen.difference.worst,
            "validation_energy_pj": chosen.energy_pj[profile].mean,
            "effective_macs": one.macs.mean,
            "effective_macs_once": one.macs_once.mean,
            "effective_acs": one.acs.mean,
            "neuron_updates": one.neuron_updates.mean,
            "spike_rate": one.spike_rate.mean,
            **{f"gap_{part}": value for part, value in one.gap[profile].items()},
        }
        for key, interval in intervals.items():
            row |= {key: interval.mean, f"{key}_low": interval.low, f"{key}_high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows)


def front_table(grid: pd.DataFrame) -> pd.DataFrame:
    """The rows of a profile's grid that no other beats in accuracy and energy on validation, by rising energy there;
    none of a net with an empty layer, which is cheap because it computes nothing."""
    grid = grid[~grid["empty"]]
    front = pareto_front(grid["validation_accuracy"].tolist(), grid["validation_energy_pj"].tolist())
    bounds = [f"{key}{end}" for key in ("accuracy", *list(PRICED)[:-1]) for end in ("", "_low", "_high")]
    how = ["truncated", "tuned", "exits", "most_steps", "steps"]
    return grid.iloc[front][["profile", "method", "level", *how, "sparsity", *bounds]]


def page_tables(
    front: pd.DataFrame,
    results: pd.DataFrame,
    cheapest: Mapping[str, tuple[Any, Any]],
    profiles: Mapping[str, Profile],
    T: int,
    step_ms: float | None,
) -> list[PageTable]:
    """The first profile's front down to `BEST_POINTS` below its best, savings at T and T', the cheapest settings (on
    validation and on test). step_ms: how long a step of the recordings lasts, if it does."""
    first = next(iter(profiles))
    accuracies = front["accuracy"].map(lambda accuracy: 100 * accuracy.mean)
    net = {"net": lambda one: net_text(one.method, one.level, one.sparsity.mean, one.synapses), "time steps": steps_of}
    if step_ms is not None:
        net["of the recording"] = lambda one: milliseconds_text(one.steps_each, step_ms)
    saved = {
        "saved by count, %": lambda one: one.reduction[first].text(),
        "input at every step: saved, %": lambda one: one.reduction_every_step[first].text(),
    }
    return [
        table_of(
            f"The accuracy-energy front, profile {first}: settings that no other beats in both on validation, with "
            f"their figures on test, where two may change places. Listed is what lies within {BEST_POINTS:g} points of "
            "the best test accuracy; report/studies/energy-front.csv has all of them, and the other profiles.",
            front[accuracies >= accuracies.max() - BEST_POINTS].itertuples(),
            net
            | {
                "test accuracy %": lambda one: one.accuracy.text(),
                "energy of a sample, µJ": lambda one: f"{one.energy_pj[first].mean / 1e6:#.4g}",
            }
            | saved,
        ),
        table_of(
            f"Energy saved against the dense net at T = {T}, by the paper's formula 1 - (1 - s) T'/T and counted from "
            f"spikes (profile {first}): a constant input computed once, as implementations do, and at every step, as "
            "NeuroBench counts; size of the weights as CSR and as values with a bit mask.",
            results.itertuples(),
            net
            | {
                "saved by formula, %": lambda one: one.formula.text(),
                **saved,
                "test accuracy %": lambda one: one.accuracy.text(),
                "CSR, bytes": lambda one: f"{one.csr_bytes:,.0f}",
                "bit mask, bytes": lambda one: f"{one.bitmask_bytes:,.0f}",
            },
        ),
        table_of(
            "By hardware profile the cheapest setting that loses no more validation accuracy than allowed "
            "(energy.max_loss in params.yaml) over its whole 95 % interval; differences to the dense net in points. On "
            "test, which the choice has not seen, it may lose more.",
            profiles,
            {
                "profile": str,
                "MAC / AC / neuron update, pJ": lambda name: " / ".join(
                    f"{getattr(profiles[name], price):g}" for price in ("mac_pj", "ac_pj", "neuron_update_pj")
                ),
                "cheapest setting": lambda name: setting_name(cheapest[name][1], T),
                "saved, %": lambda name: cheapest[name][1].reduction[name].text(),
                "input at every step: saved, %": lambda name: cheapest[name][1].reduction_every_step[name].text(),
                "validation accuracy, points": lambda name: cheapest[name][0].difference.text(sign="+"),
                "test accuracy, points": lambda name: cheapest[name][1].difference.text(sign="+"),
            },
        ),
    ]
