"""Summary, sentences and figure of the study `energy`."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE, headline_methods, metric_name, net_name
from pipeline.report.studies.energy_settings import ALL, COUNTS, Settings, all_settings
from pipeline.report.studies.energy_tables import front_rows, grid_rows, net_rows
from pipeline.studies.energy import Params as EnergyParams
from snnprune.core.errors import UserError
from snnprune.energy.profiles import Profile

SIZES = ("dense_bytes", "csr_bytes", "bitmask_bytes")


def summarize(table: pd.DataFrame, params: EnergyParams, profiles: Mapping[str, Profile]) -> dict[str, Any]:
    """What is told, and under `tables` the rows of every net, of every setting and of the front.

    `results` are the nets of `headline_methods` over seeds at T and at T' (`energy_settings.describe_setting` says what
    stands there). `cheapest` is, by profile, the setting with the lowest mean validation energy among those whose mean
    validation accuracy is at most `max_loss` below the dense net's; it is told in figures of test.

    Raises:
        UserError: a dense net needs no energy, so that nothing can be saved.
    """
    _require_energy(table)
    timesteps = int(table["timesteps"].max())
    settings = all_settings(table, params.steps, profiles)
    cheapest = {name: settings.test[settings.cheapest(name, params.max_loss)] for name in profiles}
    told = headline_methods(result["method"] for result in settings.test)
    results = [r for r in settings.test if r["method"] in told and (r["truncated"] or r["steps"] == timesteps)]
    return {
        "findings": _findings(results, cheapest, timesteps, params.max_loss),
        "metrics": _metrics(settings, cheapest, timesteps),
        "timesteps": timesteps,
        "profiles": {name: profile.model_dump() for name, profile in profiles.items()},
        "results": results,
        "cheapest": cheapest,
        "layers": _layers(table, told, timesteps, profiles),
        "tables": {
            "levels": net_rows(table, profiles),
            "grid": grid_rows(settings, profiles),
            "front": front_rows(settings, profiles),
        },
    }


def _require_energy(table: pd.DataFrame) -> None:
    dense = table[(table["method"] == DENSE) & (table["layer"] == ALL) & (table["steps"] == table["timesteps"])]
    for row in dense.itertuples(index=False):
        if row.macs + row.acs == 0:
            raise UserError(f"energy: the dense net of seed {row.seed} computes nothing on the {row.split} samples")


def _layers(
    table: pd.DataFrame, methods: list[str], timesteps: int, profiles: Mapping[str, Profile]
) -> list[dict[str, Any]]:
    """Mean energy and counts by layer at T of these methods' nets."""
    mine = table[(table["layer"] != ALL) & (table["steps"] == timesteps) & table["method"].isin(methods)]
    return [
        {
            "method": str(method),
            "level": float(level),
            "layer": str(layer),
            **{key: float(group[key].mean()) for key in (*COUNTS, "spike_rate")},
            "energy_pj": {name: float(group[f"energy_pj_{name}"].mean()) for name in profiles},
        }
        for (method, level, layer), group in mine.groupby(["method", "level", "layer"], sort=False)
    ]


def _metrics(settings: Settings, cheapest: Mapping[str, Any], timesteps: int) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for result in settings.test:
        if result["steps"] not in (timesteps, None):
            continue
        name = metric_name(result["method"], result["level"])
        suffix = f"{name}/truncated" if result["truncated"] else name
        metrics |= {f"energy_pj_{key}/{suffix}": figures["mean"] for key, figures in result["energy_pj"].items()}
        metrics |= {f"effective_{key}/{suffix}": result[key]["mean"] for key in ("macs", "acs")}
        metrics[f"spike_rate/{suffix}"] = result["spike_rate"]["mean"]
        if not result["truncated"]:
            metrics |= {f"{key}/{suffix}": result[key] for key in SIZES}
    for name, result in cheapest.items():
        metrics |= {
            f"cheapest_reduction/{name}": result["reduction"][name]["mean"],
            f"cheapest_accuracy/{name}": result["accuracy"]["mean"],
        }
    return metrics


def _findings(results: list[dict[str, Any]], cheapest: Mapping[str, Any], timesteps: int, max_loss: float) -> list[str]:
    """Sentences; a net of which no step is redundant is told once, and the dense net at T saves nothing."""
    profile = next(iter(cheapest))
    whole = [result for result in results if not result["truncated"]]
    truncated = [result for result in results if result["truncated"] and result["mean_steps"] < timesteps]
    told = [result for result in results if result in truncated or (result in whole and result["method"] != DENSE)]
    lines = [_saved(result, timesteps, profile) for result in told]
    lines += [
        f"{name}: cheapest setting within {100 * max_loss:g} points on validation: {_name(result, timesteps)}; saved "
        f"{_percent(result['reduction'][name])} at {100 * result['difference']['mean']:+.2f} points of test accuracy"
        for name, result in cheapest.items()
    ]
    sizes = [f"{net_name(r['method'], r['level'])} {' / '.join(f'{r[key]:,.0f}' for key in SIZES)}" for r in whole]
    lines.append(f"bytes of the weights, dense / CSR / bit mask: {'; '.join(sizes)}")
    return lines


def _saved(result: dict[str, Any], timesteps: int, profile: str) -> str:
    gap = {name: f"{100 * part:+.1f}" for name, part in result["gap"][profile].items()}
    return (
        f"{_name(result, timesteps)}: saved by count {_percent(result['reduction'][profile])} ({profile}), "
        f"by the paper's formula {_percent(result['formula'])}, which leaves out unequal activity "
        f"({gap['activity']} points), what MACs and ACs cost ({gap['prices']}) and neuron updates "
        f"({gap['neuron_updates']}); test accuracy {_percent(result['accuracy'])}"
    )


def _name(result: dict[str, Any], timesteps: int) -> str:
    steps = f"T' = {result['mean_steps']:.1f}" if result["truncated"] else result["steps"]
    return f"{net_name(result['method'], result['level'])}, {steps} of {timesteps} steps"


def _percent(figures: dict[str, Any]) -> str:
    spread = "" if figures["low"] is None else f" ± {100 * (figures['high'] - figures['mean']):.2f}"
    return f"{100 * figures['mean']:.2f}{spread} %"
