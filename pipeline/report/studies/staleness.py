"""The study `staleness`: criticality recomputed at every level, or measured once at the dense net."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import level_text
from pipeline.report.statistics import Difference, Interval, describe, paired_difference
from pipeline.report.studies import Context, Drawing, StudyReport, StudySummary
from pipeline.report.style import draw_intervals, look, panels, sparsity_axis
from pipeline.studies.staleness import Params
from snnprune.core.errors import UserError

CAPTION = "Where the interval on the right lies above zero, recomputing criticality at that level was worth it."
METHOD = "cqp"


@dataclass(frozen=True)
class StalenessResult:
    """Test accuracy with criticality recomputed and frozen at a level, and the paired gain in points."""

    level: float
    accuracy: Interval
    frozen_accuracy: Interval
    gain_points: Difference


@dataclass(frozen=True)
class StalenessSummary(StudySummary):
    """A result per level."""

    results: list[StalenessResult]


def with_recomputed(frozen: pd.DataFrame, evaluated: pd.DataFrame) -> pd.DataFrame:
    """The study's rows with `accuracy`, that of the evaluate stage's nets of the same seed and level.

    Raises:
        UserError: a row has no partner.
    """
    mine = evaluated[evaluated["method"] == METHOD]
    paired = frozen.merge(mine[["seed", "level", "accuracy"]], on=["seed", "level"], validate="one_to_one")
    if len(paired) < len(frozen):
        found = ", ".join(f"{level:g}" for level in sorted(set(mine["level"])))
        raise UserError(f"staleness: its table has other levels than the evaluated nets of {METHOD} ({found})")
    return paired


def summarize(table: pd.DataFrame, context: Context) -> StalenessSummary:
    """Per level from `above` on over seeds."""
    paired = with_recomputed(table, context.evaluated)
    results = [
        StalenessResult(
            float(level),
            describe(group["accuracy"].tolist()),
            describe(group["frozen_accuracy"].tolist()),
            paired_difference((100 * group["accuracy"]).tolist(), (100 * group["frozen_accuracy"]).tolist()),
        )
        for level, group in paired[paired["level"] >= context.params.above].groupby("level")
    ]
    return StalenessSummary(
        findings=[
            f"Recomputing criticality at {100 * result.level:g} %: {_gain(result.gain_points)}." for result in results
        ],
        metrics={f"gain_points/{level_text(result.level)}": result.gain_points.mean for result in results},
        results=results,
    )


def draw(summary: StalenessSummary) -> Figure:
    """Left: test accuracy of both. Right: the paired gain. 95 % intervals over seeds."""
    title = "staleness: criticality recomputed at every level, or frozen at the dense net"
    figure, (left, right) = panels(2, title, (10, 4.2))
    results = summary.results
    kept = [1 - result.level for result in results]
    draw_intervals(left, kept, [result.accuracy for result in results], label="recomputed", **look("cqp"))
    draw_intervals(left, kept, [result.frozen_accuracy for result in results], label="frozen", **look("gradient"))
    draw_intervals(right, kept, [result.gain_points for result in results], scale=1, **look("cqp"))
    right.axhline(0, color="black", linewidth=1)
    left.set_ylabel("test accuracy (%)")
    right.set_ylabel("recomputed - frozen (points)")
    left.legend(frameon=False)
    for axes in (left, right):
        sparsity_axis(axes, [result.level for result in results])
    return figure


def _gain(gain: Difference) -> str:
    text = f"{gain.mean:+.2f} points"
    if gain.low is None:
        return text
    p = "" if gain.p is None else f", p = {gain.p:.2g}"
    return f"{text} (95 % interval {gain.low:+.2f} to {gain.high:+.2f}{p})"


REPORT = StudyReport("Stale criticality", summarize, (Drawing("staleness", CAPTION, draw),), Params)
