"""Renders one experiment's results as a self-contained HTML page: no network, no script, printable.

The page lies in `results/<experiment>/report/`; what it says of other files are links to `../<file>`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.report.page.svg import inline_svg, width_of


@dataclass(frozen=True)
class Source:
    """What made numbers: a stage's address, and its files relative to the experiment's results."""

    stage: str
    files: Sequence[str]

    @property
    def command(self) -> str:
        """What makes them again."""
        return f"dvc repro {self.stage}"

    @property
    def anchor(self) -> str:
        """The id of its line under "How every number was made"."""
        return f"made-{self.stage.partition('@')[0]}"


@dataclass(frozen=True)
class PageFigure:
    """An SVG document, what it is (for who does not see it), and one sentence that says what to see."""

    svg: str
    name: str
    sentence: str


@dataclass(frozen=True)
class PageTable:
    """A table of strings under a header, with its caption; the first column names the row."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """One subject of the page, under the anchor `key`: figures, tables, findings line by line, and what made them."""

    key: str
    title: str
    sources: Sequence[Source]
    figures: Sequence[PageFigure] = ()
    tables: Sequence[PageTable] = ()
    findings: Sequence[str] = ()


@dataclass(frozen=True)
class Fact:
    """A line at the top: a term, what it is, and the section (or other anchor) that tells more."""

    term: str
    text: str
    anchor: str


@dataclass(frozen=True)
class Page:
    """All that is on the page: `claims` as in `claims.json`, `notes` on how numbers are counted."""

    experiment: str
    lead: str
    facts: Sequence[Fact]
    headline: Section
    claims: dict[str, Any]
    claims_table: Sequence[dict[str, Any]]
    sections: Sequence[Section]
    notes: Sequence[str]

    @property
    def made(self) -> list[tuple[Source, list[tuple[str, str]]]]:
        """Every stage with all its files that the page tells of, and the sections (anchor, title) that do."""
        files: dict[str, dict[str, None]] = {}
        told: dict[str, dict[tuple[str, str], None]] = {}
        for section in (self.headline, *self.sections):
            for source in section.sources:
                files.setdefault(source.stage, {}).update(dict.fromkeys(source.files))
                told.setdefault(source.stage, {})[section.key, section.title] = None
        for claim in self.claims["claims"]:
            for entry in claim["made_by"]:
                if entry["stage"] in files:
                    files[entry["stage"]][_below(entry["file"])] = None
                    told[entry["stage"]]["claims", "The paper's claims"] = None
        return [(Source(stage, list(files[stage])), list(told[stage])) for stage in files]


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
        section.key: [inline_svg(figure.svg, next(prefixes), figure.name) for figure in section.figures]
        for section in (page.headline, *page.sections)
    }
    template = environment.get_template("page.html")
    stages = {source.stage for source, _ in page.made}
    return template.render(page=page, drawings=drawings, width=width_of, below=_below, stages=stages).lstrip()


def _below(file: str) -> str:
    """A result file's path relative to its experiment's results."""
    return str(Path(*Path(file).parts[2:]))
