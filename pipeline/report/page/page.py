"""Renders one experiment's results as a self-contained HTML page: no network, no script, printable.

The page lies in `results/<experiment>/report/`; it links to other files of the experiment as `../<file>`.
"""

import itertools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.report.page.content import Page
from pipeline.report.page.svg import inline_svg, width_of
from pipeline.report.page.tables import claim_table


def render_page(page: Page) -> str:
    """The page as HTML.

    Raises:
        ValueError: a figure is not an SVG document.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    prefixes = (f"f{number}" for number in itertools.count(1))  # one for each figure on the page
    drawings = {
        section.key: [inline_svg(figure.svg, next(prefixes), figure.about) for figure in section.figures]
        for section in (page.headline, *page.sections)
    }
    return (
        environment.get_template("page.html")
        .render(
            page=page,
            drawings=drawings,
            width=width_of,
            claim_table=claim_table,
            anchors={source.stage: source.anchor for source, _ in page.made},
            below=lambda file: file.removeprefix(f"results/{page.experiment}/"),
        )
        .lstrip()
    )
