"""Renders one experiment's results as a self-contained HTML page: no network, whole without its script, printable.

The page lies in `results/<experiment>/report/`; it links to other files of the experiment as `../<file>`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.report.claims.judge import Judgement
from pipeline.report.claims.table import claim_table
from pipeline.report.page.content import Section, Source


@dataclass(frozen=True)
class Page:
    """All that is on the page but for its fixed words."""

    experiment: str
    lead: str
    facts: Sequence[tuple[str, str, str]]  # a term, what it is, and the anchor that has more
    headline: Section
    judgement: Judgement
    sections: Sequence[Section]

    @property
    def made(self) -> list[tuple[Source, list[tuple[str, str]]]]:
        """Every stage with all its files that the page cites, and the sections (anchor, title) that cite them."""
        found: dict[str, tuple[dict[str, None], dict[tuple[str, str], None]]] = {}
        for section in (self.headline, *self.sections):
            for source in section.sources:
                files, sections = found.setdefault(source.stage, ({}, {}))
                files.update(dict.fromkeys(source.files))
                sections[section.key, section.title] = None
        for stage in {made["stage"] for claim in self.judgement.measured for made in claim.made_by} & found.keys():
            found[stage][1]["claims", "The paper's claims"] = None
        return [(Source(stage, list(files)), list(sections)) for stage, (files, sections) in found.items()]


def render_page(page: Page) -> str:
    """The page as HTML."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    anchors = {source.stage: source.anchor for source, _ in page.made}
    return environment.get_template("page.html").render(page=page, claim_table=claim_table, anchors=anchors).lstrip()
