"""Time per sample against sparsity."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure

from benchmarks.speed.forms import BEFORE, DENSE, OURS, PRODUCTS
from benchmarks.speed.measure import Cell

TITLES = {"train": "training step", "infer": "inference"}
DASHED = {DENSE, BEFORE, PRODUCTS}


def draw(cells: Sequence[Cell], net: str, batch: int, path: Path) -> None:
    """A panel for each task, a line for each form with its range, for one net and batch; SVG or PNG by the name."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    forms = dict.fromkeys(form for cell in cells for form in cell.times.ms)
    colours = {form: f"C{index}" for index, form in enumerate(forms)}
    for axes, (task, title) in zip(figure.subplots(1, 2), TITLES.items(), strict=True):
        chosen = [cell for cell in cells if (cell.task, cell.net, cell.batch) == (task, net, batch)]
        chosen.sort(key=lambda cell: cell.sparsity)
        places = range(len(chosen))
        for form in dict.fromkeys(form for cell in chosen for form in cell.times.ms):
            times = [[1e3 * ms / batch for ms in cell.times.ms[form]] for cell in chosen]
            style = {"linestyle": "--" if form in DASHED else "-", "linewidth": 2.5 if form == OURS else 1.2}
            style["color"] = colours[form]
            axes.plot(places, [median(us) for us in times], marker=".", label=form, **style)
            low, high = [min(us) for us in times], [max(us) for us in times]
            axes.fill_between(places, low, high, color=colours[form], alpha=0.15)
        axes.set_xticks(places, [f"{cell.sparsity:g}" for cell in chosen])
        axes.set(yscale="log", title=f"{net}, batch {batch}: {title}", xlabel="sparsity", ylabel="µs per sample")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(path)
