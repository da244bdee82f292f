"""The study `staleness`: criticality recomputed at every level, or measured once at the dense net."""

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import level_text
from pipeline.report.statistics import as_family, over_seeds, paired_difference
from pipeline.report.studies import Context, StudyReport, StudySummary, metrics_of
from pipeline.report.style import Drawing, draw_intervals, look, panels, sparsity_axis
from pipeline.report.words import percent
from pipeline.studies.staleness import Params
from snnprune.core.errors import UserError

CAPTION = "Where the interval on the right lies above zero, recomputing criticality at that level was worth it."
METHOD = "cqp"


def with_recomputed(frozen: pd.DataFrame, evaluated: pd.DataFrame) -> pd.DataFrame:
    """The study's rows with `accuracy`, that of the evaluate stage's nets of the same seed and level. Raises UserError:
    a row has no partner."""
    mine = evaluated[evaluated["method"] == METHOD]
    paired = frozen.merge(mine[["seed", "level", "accuracy"]], on=["seed", "level"], validate="one_to_one")
    if len(paired) < len(frozen):
        found = ", ".join(f"{level:g}" for level in sorted(set(mine["level"])))
        raise UserError(f"staleness: its table has other levels than the evaluated nets of {METHOD} ({found})")
    return paired


def summarize(table: pd.DataFrame, context: Context) -> StudySummary:
    """Per level from `above` on: test accuracy with criticality recomputed and frozen, the paired gain in points, all
    levels corrected as one family of tests."""
    paired = with_recomputed(table, context.evaluated).sort_values(["level", "seed"])
    results = over_seeds(
        paired[paired["level"] >= context.params.above],
        ["level"],
        ["accuracy", "frozen_accuracy"],
        gain_points=lambda rows: paired_difference(100 * rows["accuracy"], 100 * rows["frozen_accuracy"]),
    )
    results["gain_points"] = as_family(results["gain_points"])
    findings = [
        f"Recomputing criticality at {percent(one.level)}: {one.gain_points.tested_text(1, ' points')}."
        for one in results.itertuples()
    ]
    return StudySummary(findings, metrics_of(results, ["gain_points"], lambda one: level_text(one.level)), results)


def draw(summary: StudySummary) -> Figure:
    """Left: test accuracy of both. Right: the paired gain. 95 % intervals over seeds."""
    title = "staleness: criticality recomputed at every level, or frozen at the dense net"
    figure, (left, right) = panels(title, (10, 4.2), "test accuracy (%)", "recomputed - frozen (points)")
    results = summary.results
    kept = 1 - results["level"]
    draw_intervals(left, kept, results["accuracy"], label="recomputed", **look("cqp"))
    draw_intervals(left, kept, results["frozen_accuracy"], label="frozen", **look("gradient"))
    draw_intervals(right, kept, results["gain_points"], 1, **look("cqp"))
    right.axhline(0, color="black", linewidth=1)
    left.legend(frameon=False)
    for axes in (left, right):
        sparsity_axis(axes, results["level"])
    return figure


REPORT = StudyReport("Stale criticality", summarize, (Drawing("staleness", CAPTION, draw),), Params)
