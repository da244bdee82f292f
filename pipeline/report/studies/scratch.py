"""The study `scratch`: nets that were sparse from the start beside pruned ones of as many epochs in all."""

from collections.abc import Callable

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import metric_name, net_name
from pipeline.report.page.content import table_of
from pipeline.report.statistics import Difference, means, over_seeds, paired_difference
from pipeline.report.studies import Context, StudyReport, StudySummary, metrics_of
from pipeline.report.style import Drawing, draw_intervals, legend_below, look, panels, sparsity_axis
from pipeline.report.words import percent
from snnprune.core.errors import UserError

CAPTION = (
    "Trained sparse from the start (solid), and pruned and fine-tuned (dashed), of the same seeds and with as many "
    "epochs in all. Right: what is lost, below zero, against the pruned nets of cqp."
)
TABLE_CAPTION = (
    "From scratch, and pruned: differences are paired by seed. A lottery ticket's mask takes a dense training more. "
    "Energy: a constant input once, by the profile {profile}."
)
PRUNED = ("cqp", "magnitude")  # those of the evaluate stage


def with_pruned(table: pd.DataFrame, evaluated: pd.DataFrame) -> pd.DataFrame:
    """The study's rows (`scratch` true), then those of the pruned nets of the same seeds and levels. Raises UserError:
    one of these is missing."""
    asked = table[["seed", "level"]].drop_duplicates()
    beside = evaluated[evaluated["method"].isin(PRUNED)].merge(asked, on=["seed", "level"])
    for method in PRUNED:
        if (beside["method"] == method).sum() < len(asked):
            found = ", ".join(f"{level:g}" for level in sorted(set(evaluated.query("method == @method")["level"])))
            raise UserError(f"scratch: its table has other levels than the evaluated nets of {method} ({found})")
    return pd.concat([table.assign(scratch=True), beside.assign(scratch=False)], ignore_index=True)


def summarize(table: pd.DataFrame, context: Context) -> StudySummary:
    """Per approach and level, and per pruned method: test accuracy, and `against_<method>`, the paired difference from
    the pruned net of the same seed and level; sentences are about the approach that validation finds best at a
    level."""
    profile = next(iter(context.profiles))
    rows = with_pruned(table, context.evaluated).sort_values(["level", "seed"], kind="stable")
    pruned = rows[~rows["scratch"]].set_index(["method", "level", "seed"])["accuracy"]

    def against(method: str) -> Callable[[pd.DataFrame], Difference | None]:
        def difference(net: pd.DataFrame) -> Difference | None:
            if not net["scratch"].all():
                return None
            places = [(method, one.level, one.seed) for one in net.itertuples()]
            return paired_difference(net["accuracy"], pruned.loc[places])

        return difference

    results = over_seeds(
        rows,
        ["scratch", "method", "level"],
        ["accuracy", "validation_accuracy", f"energy_once_pj_{profile}"],
        **{f"against_{method}": against(method) for method in PRUNED},
    ).rename(columns={f"energy_once_pj_{profile}": "energy_once_pj"})
    columns = {
        "net": lambda one: f"{net_name(one.method, one.level)}{'' if one.scratch else ', pruned'}",
        "test accuracy (%)": lambda one: one.accuracy.text(),
        "against cqp (points)": lambda one: "" if one.against_cqp is None else one.against_cqp.text(sign="+"),
        "against magnitude (points)": lambda one: (
            "" if one.against_magnitude is None else one.against_magnitude.text(sign="+")
        ),
        "energy (nJ)": lambda one: one.energy_once_pj.text(1e-3),
    }
    own = results[results["scratch"]]
    return StudySummary(
        [_finding(level, nets, results) for level, nets in own.groupby("level")],
        metrics_of(
            own, ("accuracy", "against_cqp", "against_magnitude"), lambda one: metric_name(one.method, one.level)
        ),
        results,
        more={"profile": profile},
        page_tables=[table_of(TABLE_CAPTION.format(profile=profile), results.itertuples(), columns)],
    )


def draw(summary: StudySummary) -> Figure:
    """Left: test accuracy. Right: the paired difference from cqp. 95 % intervals over seeds."""
    labels = ("test accuracy (%)", "from scratch - cqp, pruned (points)")
    figure, (left, right) = panels("sparse from the start, or pruned", (11, 4.6), *labels)
    for (scratch, method), nets in summary.results.groupby(["scratch", "method"], sort=False):
        label = method if scratch else f"{method}, pruned"
        options = {**look(method), "label": label, "linestyle": "-" if scratch else "--"}
        draw_intervals(left, 1 - nets["level"], nets["accuracy"], **options)
        if scratch:
            draw_intervals(right, 1 - nets["level"], [one.scaled(100) for one in nets["against_cqp"]], 1, **options)
    right.axhline(0, color="black", linewidth=1)
    for axes in (left, right):
        sparsity_axis(axes, summary.results["level"])
    legend_below(figure, left, columns=4)
    return figure


def _finding(level: float, nets: pd.DataFrame, results: pd.DataFrame) -> str:
    best = nets.loc[means(nets["validation_accuracy"]).idxmax()]
    pruned = {one.method: one for one in results[results["level"] == level].itertuples() if not one.scratch}
    beside = " and ".join(
        f"{best[f'against_{method}'].text(sign='+')} points against {net_name(method, level)} "
        f"({pruned[method].accuracy.text()} %)"
        for method in PRUNED
    )
    return f"At {percent(level)} {best['method']} is the best from scratch: {best['accuracy'].text()} %, {beside}."


REPORT = StudyReport("Sparse from the start", summarize, (Drawing("scratch", CAPTION, draw),))
