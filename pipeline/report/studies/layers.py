"""The study `layers`: what pruning one layer alone costs."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import level_text
from pipeline.report.statistics import Interval, describe
from pipeline.report.studies import Context, Drawing, StudyReport, StudySummary
from pipeline.report.style import draw_intervals, look, panels, sparsity_axis

CAPTION = "The steeper a layer's curve, the less pruning it tolerates."
LOOKS = [look(name) for name in ("cqp", "magnitude", "regrow", "osqp")]


@dataclass(frozen=True)
class LayerResult:
    """Points of validation accuracy lost by pruning one layer to a level."""

    layer: str
    synapses: int
    level: float
    loss_points: Interval


@dataclass(frozen=True)
class LayersSummary(StudySummary):
    """A result per layer and level."""

    results: list[LayerResult]


def summarize(table: pd.DataFrame, context: Context | None = None) -> LayersSummary:
    """Per layer and level over seeds; sentences about the most sensitive layer at each level."""
    results = [
        LayerResult(str(layer), int(group["synapses"].iloc[0]), float(level), describe(group["loss_points"].tolist()))
        for (layer, level), group in table.groupby(["layer", "level"], sort=False)
    ]
    worst = [
        max((result for result in results if result.level == level), key=lambda result: result.loss_points.mean)
        for level in sorted({result.level for result in results})
    ]
    return LayersSummary(
        findings=[
            f"At {100 * result.level:g} % {result.layer} is the most sensitive layer: pruned alone it costs "
            f"{result.loss_points.mean:.2f} points."
            for result in worst
        ],
        metrics={
            f"loss_points/{result.layer}/{level_text(result.level)}": result.loss_points.mean for result in results
        },
        results=results,
    )


def draw(summary: LayersSummary) -> Figure:
    """Points of validation accuracy lost over the sparsity of the one layer that is pruned, 95 % intervals."""
    title = "which layer tolerates pruning? (one layer at a time, one step, no fine-tuning)"
    figure, (axes,) = panels(1, title, (8, 4.2))
    for index, layer in enumerate(dict.fromkeys(result.layer for result in summary.results)):
        results = [result for result in summary.results if result.layer == layer]
        draw_intervals(
            axes,
            [1 - result.level for result in results],
            [result.loss_points for result in results],
            scale=1,
            label=f"{layer} ({results[0].synapses:,} synapses)",
            **LOOKS[index % len(LOOKS)],
        )
    sparsity_axis(axes, sorted({result.level for result in summary.results}), "sparsity of the layer (%)")
    axes.set_ylabel("validation accuracy lost (points)")
    axes.legend(frameon=False)
    return figure


REPORT = StudyReport("Layer sensitivity", summarize, (Drawing("layers", CAPTION, draw),))
