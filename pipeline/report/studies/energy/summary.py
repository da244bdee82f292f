"""The summary of the study `energy`: what sparsity and fewer time steps save, in numbers and sentences."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE, headline_methods, metric_name, net_name
from pipeline.report.page.content import PageTable
from pipeline.report.studies import Context, StudySummary
from pipeline.report.studies.energy.settings import ALL, COUNTS, SIZES, Setting, Settings, all_settings
from pipeline.report.studies.energy.tables import cheapest_table, front_of, front_table, grid_of, savings_table
from snnprune.core.errors import UserError
from snnprune.energy.profiles import Profile


@dataclass(frozen=True)
class LayerEnergy:
    """A layer of a net at T: mean energy by profile, and counts."""

    method: str
    level: float
    layer: str
    macs: float
    acs: float
    dense_macs: float
    dense_acs: float
    neuron_updates: float
    spike_rate: float
    energy_pj: dict[str, float]


@dataclass(frozen=True)
class EnergySummary(StudySummary):
    """What the study found; the first profile is the one of sentences and figures.

    `results` are the nets of `headline_methods` at T and at T'. `cheapest` is, by profile, the setting with the lowest
    mean validation energy among those whose mean validation accuracy is at most `max_loss` below the dense net's.
    """

    timesteps: int
    profiles: dict[str, Profile]
    results: list[Setting]
    cheapest: dict[str, Setting]
    layers: list[LayerEnergy]
    settings: Settings

    @property
    def profile(self) -> str:
        """The profile of sentences and figures."""
        return next(iter(self.profiles))

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The cheapest setting."""
        cheapest = self.cheapest[self.profile]
        saved, change = cheapest.reduction[self.profile].text(), cheapest.difference.text(sign="+")
        text = f"{cheapest.name(self.timesteps)}: {saved} % less energy at {change} points of test accuracy"
        return [("cheapest setting within the allowed loss, chosen on validation", text)]

    @property
    def page_lines(self) -> list[str]:
        """Where the prices come from; the tables have the rest."""
        return [f"{name}: {profile.source}" for name, profile in self.profiles.items()]

    @property
    def page_tables(self) -> list[PageTable]:
        """The front, savings, and the cheapest settings."""
        return [
            front_table(self.settings.front(self.profile), self.profile),
            savings_table(self.results, self.profile, self.timesteps),
            cheapest_table(self.cheapest, self.profiles, self.timesteps),
        ]

    @property
    def csv_tables(self) -> dict[str, pd.DataFrame]:
        """Every setting, and the front, of all profiles."""
        return {"grid": grid_of(self.settings, self.profiles), "front": front_of(self.settings, self.profiles)}

    def to_json(self) -> dict[str, Any]:
        """All but the grid of settings, which is a table."""
        content = asdict(
            replace(self, profiles={name: profile.model_dump() for name, profile in self.profiles.items()})
        )
        del content["settings"]
        return content


def summarize(table: pd.DataFrame, context: Context) -> EnergySummary:
    """Every setting over seeds, and what follows from them.

    Raises:
        UserError: a dense net needs no energy, so that nothing can be saved.
    """
    _require_energy(table)
    profiles, max_loss = dict(context.profiles), context.params.max_loss
    settings = all_settings(table, context.params.steps, profiles)
    timesteps = settings.timesteps
    cheapest = {name: settings.cheapest(name, max_loss) for name in profiles}
    headline = headline_methods(setting.method for setting in settings.test)
    results = [s for s in settings.test if s.method in headline and (s.truncated or s.steps == timesteps)]
    return EnergySummary(
        findings=_findings(results, cheapest, timesteps, max_loss),
        metrics=_metrics(settings, cheapest),
        timesteps=timesteps,
        profiles=profiles,
        results=results,
        cheapest=cheapest,
        layers=_layers(table, headline, timesteps, profiles),
        settings=settings,
    )


def _require_energy(table: pd.DataFrame) -> None:
    dense = table[(table["method"] == DENSE) & (table["layer"] == ALL) & (table["steps"] == table["timesteps"])]
    for row in dense.itertuples(index=False):
        if row.macs + row.acs == 0:
            raise UserError(f"energy: the dense net of seed {row.seed} computes nothing on the {row.split} samples")


def _layers(
    table: pd.DataFrame, methods: list[str], timesteps: int, profiles: Mapping[str, Profile]
) -> list[LayerEnergy]:
    mine = table[(table["layer"] != ALL) & (table["steps"] == timesteps) & table["method"].isin(methods)]
    return [
        LayerEnergy(
            method=str(method),
            level=float(level),
            layer=str(layer),
            **{key: float(group[key].mean()) for key in (*COUNTS, "spike_rate")},
            energy_pj={name: float(group[f"energy_pj_{name}"].mean()) for name in profiles},
        )
        for (method, level, layer), group in mine.groupby(["method", "level", "layer"], sort=False)
    ]


def _metrics(settings: Settings, cheapest: Mapping[str, Setting]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for setting in settings.test:
        if setting.steps not in (settings.timesteps, None):
            continue
        name = metric_name(setting.method, setting.level)
        suffix = f"{name}/truncated" if setting.truncated else name
        metrics |= {f"energy_pj_{profile}/{suffix}": energy.mean for profile, energy in setting.energy_pj.items()}
        metrics |= {f"effective_macs/{suffix}": setting.macs.mean, f"effective_acs/{suffix}": setting.acs.mean}
        metrics[f"spike_rate/{suffix}"] = setting.spike_rate.mean
        if not setting.truncated:
            metrics |= {f"{key}/{suffix}": getattr(setting, key) for key in SIZES}
    for profile, setting in cheapest.items():
        metrics[f"cheapest_reduction/{profile}"] = setting.reduction[profile].mean
        metrics[f"cheapest_accuracy/{profile}"] = setting.accuracy.mean
    return metrics


def _findings(results: list[Setting], cheapest: Mapping[str, Setting], timesteps: int, max_loss: float) -> list[str]:
    """Sentences; not about a net at T' when no step is redundant, nor about the dense net at T, which saves nothing."""
    profile = next(iter(cheapest))
    lines = [
        _saved(result, timesteps, profile)
        for result in results
        if (result.mean_steps < timesteps if result.truncated else result.method != DENSE)
    ]
    lines += [
        f"{name}: cheapest setting within {100 * max_loss:g} points on validation: {setting.name(timesteps)}; saves "
        f"{setting.reduction[name].text()} % at {100 * setting.difference.mean:+.2f} points of test accuracy"
        for name, setting in cheapest.items()
    ]
    sizes = [
        f"{net_name(result.method, result.level)} {' / '.join(f'{getattr(result, key):,.0f}' for key in SIZES)}"
        for result in results
        if not result.truncated
    ]
    return [*lines, f"bytes of the weights, dense / CSR / bit mask: {'; '.join(sizes)}"]


def _saved(result: Setting, timesteps: int, profile: str) -> str:
    gap = {name: f"{100 * part:+.1f}" for name, part in result.gap[profile].items()}
    return (
        f"{result.name(timesteps)}: saves {result.reduction[profile].text()} % by count ({profile}) and "
        f"{result.formula.text()} % by the paper's formula, which ignores unequal activity ({gap['activity']} points), "
        f"the prices of MACs and ACs ({gap['prices']}) and neuron updates ({gap['neuron_updates']}); test accuracy "
        f"{result.accuracy.text()} %"
    )
