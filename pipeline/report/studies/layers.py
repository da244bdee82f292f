"""The study `layers`: what pruning one layer alone costs, in points of validation accuracy."""

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import level_text
from pipeline.report.statistics import means, over_seeds
from pipeline.report.studies import Context, StudyReport, StudySummary, metrics_of
from pipeline.report.style import Drawing, draw_intervals, look_of_series, panels, sparsity_axis
from pipeline.report.words import percent

CAPTION = "The steeper a layer's curve, the less pruning it tolerates."


def summarize(table: pd.DataFrame, context: Context) -> StudySummary:
    """Per layer and level; sentences about the most sensitive layer at each level. `name` is what people call it."""
    first = {"synapses": lambda rows: int(rows["synapses"].iloc[0])}
    first |= {"name": lambda rows: context.layers[rows["layer"].iloc[0]]}
    results = over_seeds(table, ["layer", "level"], ["loss_points"], **first)
    worst = results.loc[means(results["loss_points"]).groupby(results["level"]).idxmax()]
    findings = [
        f"At {percent(one.level)} the most sensitive layer is {one.name}: pruned alone it costs "
        f"{one.loss_points.mean:.2f} points."
        for one in worst.itertuples()
    ]
    metrics = metrics_of(results, ["loss_points"], lambda one: f"{one.name.partition(' (')[0]}/{level_text(one.level)}")
    return StudySummary(findings, metrics, results)


def draw(summary: StudySummary) -> Figure:
    """Points of validation accuracy lost over the sparsity of the one layer that is pruned, 95 % intervals."""
    title = "which layer tolerates pruning? (one layer at a time, one step, no fine-tuning)"
    figure, (axes,) = panels(title, (8, 4.2), "validation accuracy lost (points)")
    for index, (layer, rows) in enumerate(summary.results.groupby("name", sort=False)):
        label = f"{layer}, {rows['synapses'].iloc[0]:,} synapses"
        draw_intervals(axes, 1 - rows["level"], rows["loss_points"], 1, label=label, **look_of_series(index))
    sparsity_axis(axes, summary.results["level"], "sparsity of the layer (%)")
    axes.legend(frameon=False)
    return figure


REPORT = StudyReport("Layer sensitivity", summarize, (Drawing("layers", CAPTION, draw),))
