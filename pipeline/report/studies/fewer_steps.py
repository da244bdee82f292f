"""The study `fewer_steps`: what fine-tuning for fewer time steps gives back, and early exit on top of it."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import DENSE, metric_name, net_name
from pipeline.report.page.content import table_of
from pipeline.report.statistics import over_seeds, paired_difference
from pipeline.report.studies import Context, StudyReport, StudySummary
from pipeline.report.style import Drawing, colours_of_nets, legend_below, panels

CAPTION = (
    "Along a line the steps are fewer to the right. Cut off there, a net loses what fine-tuning for these steps gives "
    "back; early exit saves on top of it. Drawn is what is near the accuracies of the fine-tuned nets."
)
TABLE_CAPTION = (
    "Nets of fewer steps on test: accuracy against the dense net at T of the same seed, energy saved against it, a "
    "constant input computed once ({profile}). Mean steps are those of a sample with early exit."
)
KEYS = ["method", "level", "steps", "tuned", "exits"]
LINES = {(False, False): (":", "cut off"), (True, False): ("--", "fine-tuned"), (True, True): ("-", "and early exit")}
NEAR = 0.5  # points below the worst fine-tuned net to which the figure reaches


def summarize(table: pd.DataFrame, context: Context) -> StudySummary:
    """Per net, number of steps, cut off or fine-tuned (`tuned`), without early exit or with it (`exits`), on test.
    `difference` is accuracy against the dense net, `gain` against the same run of the net cut off, `reduction` the
    share of the dense net's energy that is saved, by the first profile, a constant input computed once."""
    profile = next(iter(context.profiles))
    energy = f"energy_once_pj_{profile}"
    dense = context.evaluated[context.evaluated["method"] == DENSE].set_index("seed")[["accuracy", energy]]
    test = table[table["split"] == "test"].assign(exits=lambda rows: rows["threshold"].notna())
    before = dense.loc[test["seed"]].reset_index(drop=True)
    test = test.reset_index(drop=True).assign(
        dense_accuracy=before["accuracy"], reduction=lambda rows: 1 - rows[energy] / before[energy]
    )
    cut = test[~test["tuned"]].set_index([*KEYS[:3], "exits", "seed"])["accuracy"]
    same = cut.loc[pd.MultiIndex.from_frame(test[[*KEYS[:3], "exits", "seed"]])]
    results = over_seeds(
        test.assign(cut_accuracy=same.to_numpy()).sort_values("seed", kind="stable"),
        KEYS,
        ["mean_steps", "accuracy", "reduction"],
        difference=lambda runs: paired_difference(runs["accuracy"], runs["dense_accuracy"]),
        gain=lambda runs: paired_difference(runs["accuracy"], runs["cut_accuracy"]),
    )
    timesteps = int(table["timesteps"].max())
    columns = {
        "net": lambda one: net_name(one.method, one.level),
        "time steps": lambda one: str(one.steps),
        "run": lambda one: f"{'fine-tuned' if one.tuned else 'cut off'}{', early exit' if one.exits else ''}",
        "mean steps": lambda one: one.mean_steps.text(1),
        "test accuracy (%)": lambda one: one.accuracy.text(),
        "against dense (points)": lambda one: one.difference.text(sign="+"),
        "energy saved (%)": lambda one: one.reduction.text(),
    }
    return StudySummary(
        [_finding(runs, timesteps) for _, runs in results.groupby(KEYS[:3], sort=False)],
        {
            f"{key}/{_metric(one)}": getattr(one, key).mean
            for one in results.itertuples()
            for key in ("mean_steps", "accuracy", "difference", "reduction")
        },
        results,
        more={"timesteps": timesteps, "profile": profile},
        page_tables=[table_of(TABLE_CAPTION.format(profile=profile), results.itertuples(), columns)],
    )


def draw(summary: StudySummary) -> Figure:
    """Test accuracy over energy saved: lines over the numbers of steps, a colour a net, a style a way to run it."""
    title, x = "fewer time steps: cut off, fine-tuned, with early exit", "energy saved against the dense net (%)"
    figure, (axes,) = panels(title, (7.5, 5.2), "test accuracy (%)", x=x)
    results = summary.results
    nets = results[["method", "level"]].drop_duplicates()
    for net, colour in zip(nets.itertuples(), colours_of_nets(nets["method"].tolist()), strict=True):
        mine = results[(results["method"] == net.method) & (results["level"] == net.level)]
        for (is_tuned, exits), (style, _) in LINES.items():
            runs = mine[(mine["tuned"] == is_tuned) & (mine["exits"] == exits)].sort_values("steps", ascending=False)
            saved, accuracy = ([100 * value.mean for value in runs[key]] for key in ("reduction", "accuracy"))
            name = net_name(net.method, net.level) if is_tuned and exits else None
            axes.plot(saved, accuracy, style, marker="o", markersize=4, color=colour, label=name)
    for style, name in LINES.values():
        axes.plot([], [], style, color="black", label=name)
    worst = min(100 * accuracy.mean for accuracy in results.loc[results["tuned"], "accuracy"])
    axes.set_ylim(bottom=worst - NEAR)
    legend_below(figure, axes, columns=4)
    return figure


def _finding(runs: pd.DataFrame, timesteps: int) -> str:
    """About one net at one number of steps, of four ways to run it."""
    by_way = {(one.tuned, one.exits): one for one in runs.itertuples()}
    cut, tuned, exits = by_way[False, False], by_way[True, False], by_way[True, True]
    return (
        f"{net_name(tuned.method, tuned.level)}, {tuned.steps} of {timesteps} steps: test accuracy "
        f"{100 * cut.accuracy.mean:.2f} % cut off, {100 * tuned.accuracy.mean:.2f} % fine-tuned "
        f"({tuned.difference.text(sign='+')} points against the dense net) with {tuned.reduction.text()} % less "
        f"energy; with early exit after {exits.mean_steps.mean:.2f} steps {exits.difference.text(sign='+')} points "
        f"with {exits.reduction.text()} % less"
    )


def _metric(one: Any) -> str:
    how = f"{'_finetuned' if one.tuned else ''}{'_exits' if one.exits else ''}"
    return f"{metric_name(one.method, one.level)}/{one.steps}_steps{how}"


REPORT = StudyReport("Fewer steps, fine-tuned", summarize, (Drawing("fewer_steps", CAPTION, draw),))
