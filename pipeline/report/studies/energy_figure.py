"""The figure of the study `energy`: the front, energy by layer, and the paper's formula against the count."""

from typing import Any

from matplotlib.figure import Figure

from pipeline.io.files import Row
from pipeline.io.nets import net_name
from pipeline.report.style import look, panels

SHOWN_POINTS = 10.0  # how far below the best the figure of the front reaches


def draw(summary: dict[str, Any]) -> Figure:
    """The front (left), energy by layer of the dense net and the first method's (middle), formula against count."""
    profile = next(iter(summary["profiles"]))
    figure, (left, middle, right) = panels(3, f"energy of a sample, profile {profile}", (15, 4.8))
    _draw_front(left, summary, profile)
    _draw_layers(middle, summary, profile)
    _draw_formula(right, summary, profile)
    return figure


def _draw_front(axes: Any, summary: dict[str, Any], profile: str) -> None:
    grid = _of(summary["tables"]["grid"], profile)
    for index, method in enumerate(_methods(grid)):
        mine = [row for row in grid if row["method"] == method]
        _draw_points(axes, mine, label=method, alpha=0.6, **{**look(method, index), "linestyle": "none"})
    hollow = {"color": "black", "linestyle": "none", "markerfacecolor": "none"}
    front = _of(summary["tables"]["front"], profile)
    _draw_points(axes, front, label="front (by validation)", marker="o", markersize=10, **hollow)
    chosen = summary["cheapest"][profile]
    cheapest = {"energy_pj": chosen["energy_pj"][profile]["mean"], "accuracy": chosen["accuracy"]["mean"]}
    _draw_points(axes, [cheapest], label="cheapest allowed (by validation)", marker="s", markersize=14, **hollow)
    best = max(100 * row["accuracy"] for row in front)
    axes.set_ylim(best - SHOWN_POINTS, best + 1)
    axes.set_xscale("log")
    axes.set_xlabel("energy of a sample (µJ)")
    axes.set_ylabel(f"test accuracy (%), the best {SHOWN_POINTS:g} points")
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3)


def _draw_points(axes: Any, rows: list[Row], **options: Any) -> None:
    axes.plot([row["energy_pj"] / 1e6 for row in rows], [100 * row["accuracy"] for row in rows], **options)


def _draw_layers(axes: Any, summary: dict[str, Any], profile: str) -> None:
    nets = list(dict.fromkeys((layer["method"], layer["level"]) for layer in summary["layers"]))
    names = list(dict.fromkeys(layer["layer"] for layer in summary["layers"]))
    shades = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#999999"]
    bottom = [0.0] * len(nets)
    for index, name in enumerate(names):
        heights = [
            sum(
                layer["energy_pj"][profile] / 1e6
                for layer in summary["layers"]
                if (layer["method"], layer["level"], layer["layer"]) == (*net, name)
            )
            for net in nets
        ]
        axes.bar(range(len(nets)), heights, bottom=bottom, color=shades[index % len(shades)], label=name)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_xticks(range(len(nets)), [net_name(*net) for net in nets], rotation=60, ha="right", fontsize=8)
    axes.set_ylabel("energy of a sample by layer (µJ)")
    axes.legend(frameon=False, fontsize=8)


def _draw_formula(axes: Any, summary: dict[str, Any], profile: str) -> None:
    grid = [row for row in _of(summary["tables"]["grid"], profile) if not row["truncated"]]
    for index, method in enumerate(_methods(grid)):
        mine = [row for row in grid if row["method"] == method]
        axes.plot(
            [100 * row["formula"] for row in mine],
            [100 * row["reduction"] for row in mine],
            label=method,
            alpha=0.6,
            **{**look(method, index), "linestyle": "none"},
        )
    axes.axline((0, 0), slope=1, color="black", linewidth=1)
    axes.set_xlabel("saved by the paper's formula (%)")
    axes.set_ylabel("saved by count (%)")


def _of(rows: list[Row], profile: str) -> list[Row]:
    return [row for row in rows if row["profile"] == profile]


def _methods(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row["method"] for row in rows))
