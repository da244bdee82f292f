"""What is drawn on a figure."""

from xml.etree import ElementTree

from matplotlib.figure import Figure

SVG = "{http://www.w3.org/2000/svg}"


def points(figure: Figure, panel: int, label: str) -> tuple[list[float], list[float]]:
    """The points of a line or error bar of one panel, by its label."""
    axes = figure.axes[panel]
    named = {line.get_label(): line for line in axes.get_lines()}
    named |= {container.get_label(): container.lines[0] for container in axes.containers if container.get_label()}
    return list(named[label].get_xdata()), list(named[label].get_ydata())


def legend_texts(figure: Figure) -> list[list[str]]:
    """The entries of every legend."""
    legends = [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]
    return [[text.get_text() for text in legend.get_texts()] for legend in legends]


def texts_of(svg: str) -> list[str]:
    """Every text of an SVG document (raises ParseError when it is none)."""
    return ["".join(element.itertext()).strip() for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]
