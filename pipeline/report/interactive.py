"""What the page needs to make a figure answer: ids for its series and its legend, and the values of its points.

In the SVG every part of series i has an id `series<i>-<n>`, its entry in the legend `legend<i>-<n>`. The element
`metadata` holds JSON: `series`, the labels, and `points`, each [i, x, y, text] with x and y in the SVG's coordinates.
"""

import json
from collections.abc import Iterator
from html import escape

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.offsetbox import DrawingArea

MOST = 60  # points of a line: one of more is a curve


def name_series(figure: Figure) -> list[str]:
    """Give the parts of every labelled series and its entries in legends their ids; the labels in order."""
    parts: dict[str, list[Artist]] = {}
    for axes in figure.axes:
        for label, line, others, _ in _labelled(axes):
            parts.setdefault(label, []).extend([line, *others])
    labels = list(parts)
    for index, artists in enumerate(parts.values()):
        for number, artist in enumerate(artists):
            artist.set_gid(f"series{index}-{number}")
    for number, legend in enumerate(_legends(figure)):
        for text, area in zip(legend.get_texts(), legend.findobj(DrawingArea), strict=True):
            if text.get_text() in parts:
                index = labels.index(text.get_text())
                for place, artist in enumerate([text, *area.get_children()]):
                    artist.set_gid(f"legend{index}-{number}-{place}")
    return labels


def points_of(figure: Figure, labels: list[str]) -> list[tuple[int, float, float, str]]:
    """The points that lie within their axes, of every series of at most `MOST`: index of its label, x and y in points
    from the top left corner, and what is there. To be called when the figure was drawn, which places its axes."""
    height, scale = 72 * figure.get_figheight(), 72 / figure.dpi
    found = []
    for axes in figure.axes:
        for label, line, _, halves in _labelled(axes):
            if line.get_transform() != axes.transData or len(line.get_xdata()) > MOST:  # such as a line across the axes
                continue
            values = np.column_stack([np.asarray(data, dtype=float) for data in line.get_data()])
            for (x, y), half in zip(values, halves or [None] * len(values), strict=True):
                at_x, at_y = axes.transData.transform((x, y))
                if axes.bbox.contains(at_x, at_y):
                    place = round(at_x * scale, 1), round(height - at_y * scale, 1)
                    found.append((labels.index(label), *place, _text(axes, x, y, half)))
    return found


def with_points(svg: str, labels: list[str], points: list[tuple[int, float, float, str]]) -> str:
    """The document with its points as metadata."""
    data = json.dumps({"series": labels, "points": points}, ensure_ascii=False, separators=(",", ":"))
    start, end = svg.rsplit("</svg>", 1)
    return f"{start}<metadata>{escape(data, quote=False)}</metadata>\n</svg>{end}"


def _labelled(axes: Axes) -> Iterator[tuple[str, Line2D, list[Artist], list[float]]]:
    """Label, line, other parts and half intervals (empty without) of every series of lines that has a label."""
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer) and not container.get_label().startswith("_"):
            line, caps, bars = container
            halves = [
                _half(segment, y)
                for bar in bars
                for segment, y in zip(bar.get_segments(), line.get_ydata(), strict=True)
            ]
            yield container.get_label(), line, [*caps, *bars], halves
    for line in axes.lines:
        if not line.get_label().startswith("_"):
            yield line.get_label(), line, [], []


def _half(segment: np.ndarray, y: float) -> float:
    """Half of an interval, of which one end may be cut off at 0 or 100 %."""
    return float(np.abs(segment[:, 1] - y).max())


def _legends(figure: Figure) -> list[Legend]:
    return [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]


def _text(axes: Axes, x: float, y: float, half: float | None) -> str:
    """`97.12 ± 0.31 at 90 %`."""
    interval = "" if half is None else f" ± {half:.2g}"
    return f"{_number(y)}{interval} at {axes.format_xdata(x) if axes.fmt_xdata else _number(x)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{round(value, 9) + 0:.4g}"
