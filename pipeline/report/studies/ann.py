"""The study `ann`: what the same layers with ReLU, pruned the same, reach and cost beside the spiking nets."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import DENSE, metric_name, net_name
from pipeline.report.page.content import PageTable, table_of
from pipeline.report.statistics import as_family, over_seeds, paired_difference
from pipeline.report.studies import Context, StudyReport, StudySummary, headline, metrics_of
from pipeline.report.style import Drawing, draw_intervals, legend_below, look_of_series, panels, sparsity_axis
from snnprune.energy.profiles import Profile, energy_pj

CAPTION = (
    "The spiking nets beside the same layers with ReLU, pruned and fine-tuned by the same code: test accuracy (left) "
    "and energy of a sample (right). Look for where the spiking line is the lower one on the right."
)
TABLE_CAPTION = (
    "The same layers with ReLU (ANN) beside the spiking ones (SNN), at the same sparsity. Quantised: weights of 8 "
    "bits, activations of as many as count to T, rounded after training without fine-tuning. An operation counts "
    "where neither weight nor activation is zero."
)
ENERGY_CAPTION = (
    "Energy of a sample, SNN | ANN in nJ, and the break-even rate: at how many spikes per neuron and sample the SNN's "
    "energy would equal the ANN's, if all of its neurons fired less or more alike; `none`: its input and its neuron "
    "updates alone cost more. The SNN's constant input is computed once; an ANN's neuron costs an update once. Both "
    "are charged for all of their neurons, also for those that can no longer matter."
)
KEYS = ["method", "level", "seed"]
COUNTS = [
    *("accuracy", "effective_macs_once", "effective_acs", "dense_updates", "index_bits_once"),
    *("spike_rate", "timesteps"),
]
BY = ["method", "level", "precision", "activation_bits"]


def summarize(table: pd.DataFrame, context: Context) -> StudySummary:
    """Per net and precision, beside the spiking net of the same method, level and seed. `difference` is the ANN's test
    accuracy less the SNN's, all corrected as one family of tests. For every profile: both energies and `break_even`,
    spikes per neuron and sample, below 0 where no rate would do. `rate` is the SNN's own. Sentences and figure are
    about one method: the best, or where the study lacks it the first."""
    spiking = context.evaluated[[*KEYS, *COUNTS]].rename(columns={name: f"snn_{name}" for name in COUNTS})
    rows = table.merge(spiking, on=KEYS, how="left", validate="many_to_one")
    rows["rate"] = rows["snn_spike_rate"] * rows["snn_timesteps"]
    for name, profile in context.profiles.items():
        rows = rows.assign(**_energies(rows, name, profile))
    profiles = list(context.profiles)
    measured = [f"{what}_{name}" for name in profiles for what in ("energy_pj", "snn_energy_pj", "break_even")]
    results = over_seeds(
        rows,
        BY,
        ["accuracy", "snn_accuracy", "validation_accuracy", "macs", "active", "rate", *measured],
        difference=lambda net: paired_difference(net["accuracy"], net["snn_accuracy"]),
    )
    results["difference"] = as_family(results["difference"])
    methods = [method for method in results["method"].unique() if method != DENSE]
    shown = context.best if context.best in methods else methods[0]
    return StudySummary(
        [_accuracy_finding(results), *(_finding(results, name, shown) for name in profiles)],
        metrics_of(results, ("accuracy", "difference", "macs", "active", *measured), _metric),
        results,
        more={"shown": shown, "profiles": profiles},
        page_tables=[_table(results), _energy_table(headline(results, shown), profiles)],
    )


def draw(summary: StudySummary) -> Figure:
    """Left: test accuracy of one method's nets, dense ones at 0. Right: energy by the first profile."""
    profile = summary.more["profiles"][0]
    title = f"the same layers with ReLU: {summary.more['shown']}"
    figure, (left, right) = panels(title, (11, 4.6), "test accuracy (%)", f"energy (nJ, {profile})")
    shown = headline(summary.results, summary.more["shown"])
    for index, (precision, nets) in enumerate(shown.groupby("precision", sort=False)):
        kept = 1 - nets["level"]
        style = look_of_series(index + 1)
        if index == 0:
            spiking = {"label": "SNN", **look_of_series(0)}
            draw_intervals(left, kept, nets["snn_accuracy"], **spiking)
            draw_intervals(right, kept, nets[f"snn_energy_pj_{profile}"], 1e-3, **spiking)
        draw_intervals(left, kept, nets["accuracy"], label=f"ANN, {precision}", **style)
        draw_intervals(right, kept, nets[f"energy_pj_{profile}"], 1e-3, label=f"ANN, {precision}", **style)
    right.set_yscale("log")
    for axes in (left, right):
        sparsity_axis(axes, shown["level"])
    legend_below(figure, right, columns=3)
    return figure


def _energies(rows: pd.DataFrame, name: str, profile: Profile) -> Mapping[str, pd.Series]:
    """Energies by a profile, and the rate that would make them equal: what spikes cost is the SNN's accumulates and, of
    the indices, their share among all operations. Updates are of all neurons: which of an ANN's can matter was not
    counted."""
    macs, acs, updates = (rows[f"snn_{count}"] for count in ("effective_macs_once", "effective_acs", "dense_updates"))
    share = macs / (macs + acs).where(macs + acs > 0, 1.0)
    bits = rows["snn_index_bits_once"]
    ann = energy_pj(rows["macs"], 0.0, rows["neurons"], profile, rows["index_bits"])
    silent = energy_pj(macs, 0.0, updates, profile, share * bits)
    spikes = energy_pj(macs, acs, updates, profile, bits) - silent
    return {
        f"energy_pj_{name}": ann,
        f"snn_energy_pj_{name}": silent + spikes,
        f"break_even_{name}": rows["rate"] * (ann - silent) / spikes.where(spikes > 0),
    }


def _table(results: pd.DataFrame) -> PageTable:
    columns = {
        "net": lambda one: net_name(one.method, one.level),
        "ANN": _kind,
        "SNN, test accuracy (%)": lambda one: one.snn_accuracy.text(),
        "ANN, test accuracy (%)": lambda one: one.accuracy.text(),
        "ANN - SNN (points)": lambda one: one.difference.tested_text(),
        "active (%)": lambda one: f"{100 * one.active.mean:.1f}",
        "MACs": lambda one: f"{one.macs.mean:,.0f}",
    }
    return table_of(TABLE_CAPTION, results.itertuples(), columns)


def _energy_table(shown: pd.DataFrame, profiles: list[str]) -> PageTable:
    columns = {
        "net": lambda one: net_name(one.method, one.level),
        "ANN": _kind,
        "spikes per neuron and sample": lambda one: f"{one.rate.mean:.2f}",
    }
    for name in profiles:
        columns[f"{name} (nJ)"] = lambda one, name=name: (
            f"{_nj(one, f'snn_energy_pj_{name}')} | {_nj(one, f'energy_pj_{name}')}"
        )
        columns[f"{name}, break-even"] = lambda one, name=name: _break_even(one, name)
    return table_of(ENERGY_CAPTION, shown.itertuples(), columns)


def _kind(one: Any) -> str:
    """`float32`, `quantised, 4 bits`."""
    return one.precision if one.precision == "float32" else f"{one.precision}, {one.activation_bits} bits"


def _metric(one: Any) -> str:
    return f"{metric_name(one.method, one.level)}/{one.precision}"


def _nj(one: Any, column: str) -> str:
    return f"{getattr(one, column).mean / 1000:.3g}"


def _break_even(one: Any, profile: str) -> str:
    found = getattr(one, f"break_even_{profile}")
    return "" if found is None else f"{found.mean:.2f}" if found.mean > 0 else "none"


def _accuracy_finding(results: pd.DataFrame) -> str:
    parts = []
    for precision, nets in results.groupby("precision", sort=False):
        better = sum(one.mean > 0 for one in nets["difference"])
        parts.append(f"{precision} {better} of {len(nets)}")
    return f"Nets whose ANN has a higher mean test accuracy than the SNN of the same sparsity: {', '.join(parts)}."


def _finding(results: pd.DataFrame, profile: str, shown: str) -> str:
    """How often the SNN costs less by a profile, and what the sparsest net of the method `shown` says."""
    counted = []
    for precision, nets in results.groupby("precision", sort=False):
        pairs = zip(nets[f"snn_energy_pj_{profile}"], nets[f"energy_pj_{profile}"], strict=True)
        counted.append(f"the {precision} ANN in {sum(snn.mean < ann.mean for snn, ann in pairs)} of {len(nets)} nets")
    nets = results[results["method"] == shown]
    *_, one = nets[nets["level"] == nets["level"].max()].itertuples()
    rate = f"{one.rate.mean:.2f} spikes per neuron and sample"
    found = getattr(one, f"break_even_{profile}")
    if found is None or found.mean <= 0:
        verdict = f"it fires {rate}, and no rate would break even: its input and neuron updates alone cost more"
        if found is None:
            verdict = "it does not fire"
    else:
        side, cheaper = ("above", "ANN") if one.rate.mean > found.mean else ("below", "SNN")
        verdict = f"it fires {rate}, {side} the break-even of {found.mean:.2f}: the {cheaper} is cheaper"
    net = net_name(one.method, one.level)
    return f"{profile}: the SNN costs less than {' and '.join(counted)}; {net} against the {_kind(one)} ANN: {verdict}."


REPORT = StudyReport("Against the same layers with ReLU", summarize, (Drawing("ann", CAPTION, draw),))
