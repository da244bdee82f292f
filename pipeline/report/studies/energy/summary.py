"""The summary of the study `energy`: what sparsity and fewer time steps save, in numbers and sentences."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE, metric_name
from pipeline.report.statistics import ROUNDING, over_seeds
from pipeline.report.studies import Context, StudySummary, headline
from pipeline.report.studies.energy.runs import ALL
from pipeline.report.studies.energy.settings import COUNTS, SIZES, all_settings, saved_text, setting_name
from pipeline.report.studies.energy.tables import front_table, grid_table, page_tables
from snnprune.core.errors import UserError


def summarize(table: pd.DataFrame, context: Context) -> StudySummary:
    """Every setting over seeds, those of the studies `early_exit` and `fewer_steps` among them, and what follows from
    them; the first profile is that of sentences and figures. `results` are the nets of `headline` at T and at T'.
    `cheapest` is, by profile, the setting with the lowest mean validation energy among those whose validation accuracy
    is at most `max_loss` below the dense net's over its whole interval (from one seed: the mean), which the dense net
    at T always is.
    Raises UserError: a dense net needs no energy, so that nothing can be saved."""
    _require_energy(table)
    profiles, max_loss = dict(context.profiles), context.params.max_loss
    first, timesteps = next(iter(profiles)), int(table["timesteps"].max())
    validation, test = all_settings(table, context.params.steps, profiles, context.tables)
    grids = {name: grid_table(validation, test, name) for name in profiles}
    fronts = {name: front_table(grid) for name, grid in grids.items()}
    chosen = {
        name: grid.loc[grid["validation_loss_at_most"] <= max_loss + ROUNDING, "validation_energy_pj"].idxmin()
        for name, grid in grids.items()
    }
    cheapest = {name: test.loc[place] for name, place in chosen.items()}
    named = headline(test, context.best)
    results = named[named["truncated"] | (named["steps"] == timesteps)]
    told = {
        name: f"{setting_name(one, timesteps)}: {saved_text(one, name)}, {one.difference.text(sign='+')} points of "
        f"test accuracy ({validation.loc[chosen[name]].difference.text(sign='+')} on validation)"
        if one.method != DENSE or one.mean_steps < timesteps
        else f"none, nothing is cheaper than the dense net at T = {timesteps}"
        for name, one in cheapest.items()
    }
    sure = "" if test.loc[chosen[first]].accuracy.low is None else " with 95 % confidence"
    return StudySummary(
        findings=[
            f"{name}: cheapest within {100 * max_loss:g} points on validation{sure}: {text}. "
            f"Prices: {profiles[name].source}"
            for name, text in told.items()
        ],
        metrics=_metrics(test, cheapest, timesteps),
        results=results,
        more={
            "timesteps": timesteps,
            "profiles": {name: profile.model_dump() for name, profile in profiles.items()},
            "cheapest": {name: setting.to_dict() for name, setting in cheapest.items()},
            "layers": _layers(headline(table, context.best), timesteps, list(profiles), context.layers),
        },
        facts=[("cheapest setting within the allowed loss, chosen on validation", told[first])],
        page_tables=page_tables(
            test.loc[fronts[first].index],
            results,
            {name: (validation.loc[place], test.loc[place]) for name, place in chosen.items()},
            profiles,
            timesteps,
            context.step_ms,
        ),
        csv_tables={"grid": pd.concat(grids.values()), "front": pd.concat(fronts.values())},
    )


def _require_energy(table: pd.DataFrame) -> None:
    dense = table[(table["method"] == DENSE) & (table["layer"] == ALL) & (table["steps"] == table["timesteps"])]
    for row in dense.itertuples(index=False):
        if row.macs + row.acs == 0:
            raise UserError(f"energy: the dense net of seed {row.seed} computes nothing on the {row.split} samples")


def _layers(table: pd.DataFrame, timesteps: int, profiles: list[str], names: Mapping[str, str]) -> pd.DataFrame:
    """The layers of every net at T: means of counts, and of energy by profile. `name` is what people call a layer."""
    mine = table[(table["layer"] != ALL) & (table["steps"] == timesteps)]
    return over_seeds(
        mine,
        ["method", "level", "layer"],
        name=lambda rows: names[rows["layer"].iloc[0]],
        **{key: lambda rows, key=key: rows[key].mean() for key in (*COUNTS, "spike_rate")},
        energy_pj=lambda rows: {name: rows[f"energy_once_pj_{name}"].mean() for name in profiles},
    )


def _metrics(settings: pd.DataFrame, cheapest: Mapping[str, Any], timesteps: int) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for one in settings[settings["truncated"] | (settings["steps"] == timesteps)].itertuples():
        name = metric_name(one.method, one.level)
        suffix = f"{name}/truncated" if one.truncated else name
        for prefix, energies in (("energy_once_pj", one.energy_pj), ("energy_pj", one.energy_every_step_pj)):
            metrics |= {f"{prefix}_{profile}/{suffix}": energy.mean for profile, energy in energies.items()}
        metrics |= {f"effective_macs/{suffix}": one.macs.mean, f"effective_acs/{suffix}": one.acs.mean}
        metrics[f"spike_rate/{suffix}"] = one.spike_rate.mean
        if not one.truncated:
            metrics |= {f"{key}/{suffix}": getattr(one, key) for key in SIZES}
    for profile, one in cheapest.items():
        metrics |= {f"cheapest_reduction/{profile}": one.reduction[profile].mean}
        metrics |= {f"cheapest_reduction_every_step/{profile}": one.reduction_every_step[profile].mean}
        metrics |= {f"cheapest_accuracy/{profile}": one.accuracy.mean}
    return metrics
