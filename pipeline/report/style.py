"""How every figure looks: SVG with the same bytes for the same data. `looks.py` has the colours of methods."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.io.nets import DENSE
from pipeline.report.compact import compact
from pipeline.report.interactive import name_series, points_of, with_points
from pipeline.report.looks import colour_of, marker_of
from pipeline.report.statistics import Interval

STYLE = {
    "svg.hashsalt": "figures",
    "svg.fonttype": "none",  # text stays text: small, and found by a search
    "font.sans-serif": ["DejaVu Sans", "Verdana"],  # an SVG names them in every text
    "font.size": 10,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Drawing:
    """A figure: the name of its file, what it is and what to look at, and how to draw it from a summary."""

    name: str
    caption: str
    draw: Callable[[Any], Figure]

    def svg(self, summary: Any) -> str:
        """The figure as an SVG document."""
        return as_svg(self.draw(summary))


def panels(
    title: str, size: tuple[float, float], *labels: str, x: str = "", share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of panels side by side, one for every label of a y-axis; `x` labels all x-axes; `size` in inches."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(labels), figsize=size, sharey=share_y, layout="constrained", squeeze=False)
    figure.suptitle(title)
    for panel, label in zip(axes[0], labels, strict=True):
        panel.set(xlabel=x, ylabel=label)
    return figure, list(axes[0])


CONTROLS = ("random",)  # what only shows how much a choice is worth: drawn thin


def look(method: str) -> dict[str, Any]:
    """Colour and marker of a method."""
    width, size = (0.8, 3) if method in CONTROLS else (1.5, 5)
    return {"color": colour_of(method), "marker": marker_of(method), "linewidth": width, "markersize": size}


def look_of_series(index: int) -> dict[str, Any]:
    """Colour and marker of a line that is no method."""
    return look(("cqp", "magnitude", "regrow", "osqp", "gradient", "membrane")[index % 6])


def colours_of_nets(methods: Sequence[str]) -> list[Any]:
    """A colour per net: black for the dense one, a sequential scale for the levels of a method."""
    scale = colormaps["viridis"].resampled(max(len(methods), 2))
    return ["black" if method == DENSE else scale(index) for index, method in enumerate(methods)]


def draw_intervals(axes: Axes, x: Iterable[float], y: Iterable[Interval], scale: float = 100, **options: Any) -> None:
    """A line through the means, each with its interval as a bar, that of a percentage within 0 and 100; `options` are
    those of `Axes.errorbar`."""
    points = [(at, scale * one.mean, scale * one.half) for at, one in zip(x, y, strict=True)]
    x_values, means, halves = zip(*points, strict=True) if points else ((), (), ())
    above = below = list(halves)
    if scale == 100:
        above, below = (
            [min(*pair) for pair in zip(halves, room, strict=True)] for room in ([100 - m for m in means], means)
        )
    axes.errorbar(x_values, means, yerr=[below, above], **options)


def sparsity_axis(axes: Axes, found: Iterable[float], label: str = "sparsity (%, log scale of the share kept)") -> None:
    """A log axis over the share of synapses kept, falling, with ticks at the levels that are among `found`."""
    levels = sorted(set(found))
    first, last = axes.dataLim.intervalx
    if first == last:  # of one place matplotlib makes no range of a log axis
        axes.set_xlim(first / 2, 2 * first)
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set_xticks([1 - level for level in levels], [f"{100 * level:g}" for level in levels])
    axes.minorticks_off()
    axes.set_xlabel(label)
    axes.fmt_xdata = lambda kept: f"{100 * (1 - kept):.4g} %"


def milliseconds_axis(axes: Axes, step_ms: float | None) -> None:
    """Above an axis of time steps the milliseconds that they last; nothing without a duration of a step."""
    if step_ms is not None:
        above = axes.secondary_xaxis("top", functions=(lambda step: step * step_ms, lambda ms: ms / step_ms))
        above.set_xlabel("milliseconds of the recording")


def legend_below(figure: Figure, axes: Axes, columns: int, size: float = 9) -> None:
    """The legend of `axes` under the whole figure."""
    figure.legend(
        *axes.get_legend_handles_labels(), frameon=False, fontsize=size, loc="outside lower center", ncols=columns
    )


def legend_beside(figure: Figure, axes: Axes, size: float = 9) -> None:
    """The legend of `axes` to the right of the whole figure, a line an entry: room for twenty."""
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=size, loc="outside right upper")


def as_svg(figure: Figure) -> str:
    """The figure as an SVG document without a date; it is closed."""
    text, labels = io.StringIO(), name_series(figure)
    with plt.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    points = points_of(figure, labels)
    plt.close(figure)
    return with_points(compact(text.getvalue()), labels, points)
