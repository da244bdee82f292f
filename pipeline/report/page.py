"""Renders one experiment's results as a self-contained HTML page: no network, no script, printable."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup


@dataclass(frozen=True)
class PageFigure:
    """A figure with one sentence that says what to see, the command that makes it, and what was found, line by line."""

    svg: str
    sentence: str
    command: str
    findings: Sequence[str] = ()


def render_page(
    experiment: str, caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], figures: Sequence[PageFigure]
) -> str:
    """The page as HTML: a table of strings under `header`, then the figures, inlined."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    inlined = [replace(figure, svg=inline_svg(figure.svg)) for figure in figures]
    return environment.get_template("page.html").render(
        experiment=experiment, caption=caption, header=header, rows=rows, figures=inlined
    )


def inline_svg(svg: str) -> Markup:
    """The `<svg>` element of an SVG file, without XML prologue, as trusted markup."""
    return Markup(svg[svg.index("<svg") :])
