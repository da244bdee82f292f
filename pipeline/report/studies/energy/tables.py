"""The tables of the study `energy`: every setting and the front as data, and what the page shows of them."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from pipeline.io.files import Row
from pipeline.io.nets import net_name
from pipeline.report.page.content import PageTable
from pipeline.report.statistics import Interval, means
from pipeline.report.studies.energy.settings import front_of, setting_name, steps_text
from snnprune.energy.profiles import Profile

BEST_POINTS = 10.0  # how far below the best the front's figure and table reach


def grid_table(settings: pd.DataFrame, profiles: Iterable[str]) -> pd.DataFrame:
    """Sparsity by time steps: a row per profile and setting, of test but for the two columns by which is chosen.

    In the rows of T' (`truncated`), which differs between seeds, `steps` is its mean. `*_low` and `*_high` are 95 %
    intervals.
    """
    rows = [
        {
            "profile": profile,
            **_about(one),
            "validation_accuracy": one.validation_accuracy,
            "validation_energy_pj": one.validation_energy_pj[profile],
            **_interval("accuracy", one.accuracy),
            **_interval("difference", one.difference),
            "effective_macs": one.macs.mean,
            "effective_acs": one.acs.mean,
            "neuron_updates": one.neuron_updates.mean,
            "spike_rate": one.spike_rate.mean,
            **_interval("energy_pj", one.energy_pj[profile]),
            **_interval("reduction", one.reduction[profile]),
            **_interval("formula", one.formula),
            **{f"gap_{part}": value for part, value in one.gap[profile].items()},
            **_interval("truncation", one.truncation[profile]),
        }
        for profile in profiles
        for one in settings.itertuples()
    ]
    return pd.DataFrame(rows)


def front_table(settings: pd.DataFrame, profiles: Iterable[str]) -> pd.DataFrame:
    """The accuracy-energy front by profile and rising energy: chosen on validation, reported on test."""
    rows = [
        {
            "profile": profile,
            **_about(one),
            **_interval("accuracy", one.accuracy),
            **_interval("energy_pj", one.energy_pj[profile]),
            **_interval("reduction", one.reduction[profile]),
        }
        for profile in profiles
        for one in front_of(settings, profile).itertuples()
    ]
    return pd.DataFrame(rows)


def page_tables(
    settings: pd.DataFrame,
    results: pd.DataFrame,
    cheapest: Mapping[str, Any],
    profiles: Mapping[str, Profile],
    timesteps: int,
) -> list[PageTable]:
    """The first profile's front down to `BEST_POINTS` below its best, savings at T and T', the cheapest settings."""
    first = next(iter(profiles))
    front = front_of(settings, first)
    accuracies = 100 * means(front["accuracy"])
    return [
        PageTable(
            f"The accuracy-energy front, profile {first}: settings that no other beats in both on validation, with "
            "their figures on test, where two may change places. Only the best "
            f"{BEST_POINTS:g} points of accuracy: report/studies/energy-front.csv has all of them, and the other "
            "profiles.",
            ["net", "time steps", "sparsity", "test accuracy %", "energy of a sample, µJ", "saved against dense, %"],
            [
                [
                    net_name(one.method, one.level),
                    steps_text(one),
                    f"{100 * one.sparsity.mean:.2f} %",
                    one.accuracy.text(),
                    f"{one.energy_pj[first].mean / 1e6:.4g}",
                    one.reduction[first].text(),
                ]
                for one in front[accuracies >= accuracies.max() - BEST_POINTS].itertuples()
            ],
        ),
        PageTable(
            f"Energy saved against the dense net at T = {timesteps}, by the paper's formula 1 - (1 - s) T'/T and "
            f"counted from spikes (profile {first}); size of the weights as CSR and as values with a bit mask.",
            [
                *("net", "time steps", "saved by formula, %", "saved by count, %", "test accuracy %"),
                *("CSR, bytes", "bit mask, bytes"),
            ],
            [
                [
                    *(net_name(one.method, one.level), steps_text(one), one.formula.text()),
                    *(one.reduction[first].text(), one.accuracy.text()),
                    *(f"{one.csr_bytes:,.0f}", f"{one.bitmask_bytes:,.0f}"),
                ]
                for one in results.itertuples()
            ],
        ),
        PageTable(
            "By hardware profile the cheapest setting that loses no more validation accuracy than allowed "
            "(energy.max_loss in params.yaml), with its figures on test against the dense net.",
            ["profile", "MAC / AC / neuron update, pJ", "cheapest setting", "saved, %", "test accuracy, points"],
            [
                [
                    name,
                    f"{profile.mac_pj:g} / {profile.ac_pj:g} / {profile.neuron_update_pj:g}",
                    setting_name(cheapest[name], timesteps),
                    cheapest[name].reduction[name].text(),
                    cheapest[name].difference.text(sign="+"),
                ]
                for name, profile in profiles.items()
            ],
        ),
    ]


def _about(one: Any) -> Row:
    about = {"method": one.method, "level": one.level, "truncated": one.truncated, "steps": one.mean_steps}
    return about | {"sparsity": one.sparsity.mean}


def _interval(name: str, interval: Interval) -> Row:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
