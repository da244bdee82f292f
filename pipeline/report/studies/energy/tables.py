"""The tables of the study `energy`: every setting and the front as data, and what the page shows of them."""

from collections.abc import Iterable, Mapping

import pandas as pd

from pipeline.io.files import Row
from pipeline.io.nets import net_name
from pipeline.report.page.content import PageTable
from pipeline.report.statistics import Interval
from pipeline.report.studies.energy.settings import Setting, Settings
from snnprune.energy.profiles import Profile

BEST_POINTS = 10.0  # how far below the best the front's figure and table reach


def grid_of(settings: Settings, profiles: Iterable[str]) -> pd.DataFrame:
    """Sparsity by time steps: a row per profile and setting, of test but for the two columns by which is chosen.

    In the rows of T' (`truncated`), which differs between seeds, `steps` is its mean. `*_low` and `*_high` are 95 %
    intervals.
    """
    rows = [
        {
            "profile": profile,
            **_about(test),
            "validation_accuracy": validation.accuracy.mean,
            "validation_energy_pj": validation.energy_pj[profile].mean,
            **_interval("accuracy", test.accuracy),
            **_interval("difference", test.difference),
            "effective_macs": test.macs.mean,
            "effective_acs": test.acs.mean,
            "neuron_updates": test.neuron_updates.mean,
            "spike_rate": test.spike_rate.mean,
            **_interval("energy_pj", test.energy_pj[profile]),
            **_interval("reduction", test.reduction[profile]),
            **_interval("formula", test.formula),
            **{f"gap_{part}": value for part, value in test.gap[profile].items()},
            **_interval("truncation", test.truncation[profile]),
        }
        for profile in profiles
        for test, validation in zip(settings.test, settings.validation, strict=True)
    ]
    return pd.DataFrame(rows)


def front_of(settings: Settings, profiles: Iterable[str]) -> pd.DataFrame:
    """The accuracy-energy front by profile and rising energy: chosen on validation, reported on test."""
    rows = [
        {
            "profile": profile,
            **_about(setting),
            **_interval("accuracy", setting.accuracy),
            **_interval("energy_pj", setting.energy_pj[profile]),
            **_interval("reduction", setting.reduction[profile]),
        }
        for profile in profiles
        for setting in settings.front(profile)
    ]
    return pd.DataFrame(rows)


def front_table(front: list[Setting], profile: str) -> PageTable:
    """The front of a profile, by rising energy, down to `BEST_POINTS` below its best."""
    best = max(100 * setting.accuracy.mean for setting in front)
    return PageTable(
        f"The accuracy-energy front, profile {profile}: settings that no other beats in both on validation, with their "
        f"figures on test, where two may change places. Only the best {BEST_POINTS:g} points of accuracy: "
        "report/studies/energy-front.csv has all of them, and the other profiles.",
        ["net", "time steps", "sparsity", "test accuracy %", "energy of a sample, µJ", "saved against dense, %"],
        [
            [
                net_name(setting.method, setting.level),
                setting.steps_text,
                f"{100 * setting.sparsity.mean:.2f} %",
                setting.accuracy.text(),
                f"{setting.energy_pj[profile].mean / 1e6:.4g}",
                setting.reduction[profile].text(),
            ]
            for setting in front
            if 100 * setting.accuracy.mean >= best - BEST_POINTS
        ],
    )


def savings_table(results: list[Setting], profile: str, timesteps: int) -> PageTable:
    """Energy saved by formula and by count, at T and at T', and what the weights take."""
    header = ["net", "time steps", "saved by formula, %", "saved by count, %", "test accuracy %"]
    return PageTable(
        f"Energy saved against the dense net at T = {timesteps}, by the paper's formula 1 - (1 - s) T'/T and counted "
        f"from spikes (profile {profile}); size of the weights as CSR and as values with a bit mask.",
        [*header, "CSR, bytes", "bit mask, bytes"],
        [
            [
                net_name(result.method, result.level),
                result.steps_text,
                result.formula.text(),
                result.reduction[profile].text(),
                result.accuracy.text(),
                f"{result.csr_bytes:,.0f}",
                f"{result.bitmask_bytes:,.0f}",
            ]
            for result in results
        ],
    )


def cheapest_table(cheapest: Mapping[str, Setting], profiles: Mapping[str, Profile], timesteps: int) -> PageTable:
    """By hardware profile the cheapest setting within the allowed loss, and the profile's prices."""
    return PageTable(
        "By hardware profile the cheapest setting that loses no more validation accuracy than allowed "
        "(energy.max_loss in params.yaml), with its figures on test against the dense net.",
        ["profile", "MAC / AC / neuron update, pJ", "cheapest setting", "saved, %", "test accuracy, points"],
        [
            [
                name,
                f"{profile.mac_pj:g} / {profile.ac_pj:g} / {profile.neuron_update_pj:g}",
                cheapest[name].name(timesteps),
                cheapest[name].reduction[name].text(),
                cheapest[name].difference.text(sign="+"),
            ]
            for name, profile in profiles.items()
        ],
    )


def _about(setting: Setting) -> Row:
    return {
        "method": setting.method,
        "level": setting.level,
        "truncated": setting.truncated,
        "steps": setting.mean_steps,
        "sparsity": setting.sparsity.mean,
    }


def _interval(name: str, interval: Interval) -> Row:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
