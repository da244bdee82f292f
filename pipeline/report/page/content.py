"""What a page is made of: sections of figures, tables and sentences, each with the stages that made its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.claims.judge import Judgement


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
        return f"made-{self.stage.replace('@', '-')}"


@dataclass(frozen=True)
class PageFigure:
    """An SVG document, what it is (for those who do not see it), and what to look at."""

    svg: str
    about: str
    caption: str


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
    """A line at the top: a term, what it is, and the anchor that has more."""

    term: str
    text: str
    anchor: str


@dataclass(frozen=True)
class Page:
    """All that is on the page; `notes` say how numbers are counted."""

    experiment: str
    lead: str
    facts: Sequence[Fact]
    headline: Section
    judgement: Judgement
    sections: Sequence[Section]
    notes: Sequence[str]

    @property
    def made(self) -> list[tuple[Source, list[tuple[str, str]]]]:
        """Every stage with all its files that the page cites, and the sections (anchor, title) that cite them."""
        files: dict[str, dict[str, None]] = {}
        cited: dict[str, dict[tuple[str, str], None]] = {}
        for section in (self.headline, *self.sections):
            for source in section.sources:
                files.setdefault(source.stage, {}).update(dict.fromkeys(source.files))
                cited.setdefault(source.stage, {})[section.key, section.title] = None
        for claim in self.judgement.claims:
            for maker in claim.made_by:
                if maker.stage in files:
                    cited[maker.stage]["claims", "The paper's claims"] = None
        return [(Source(stage, list(files[stage])), list(cited[stage])) for stage in files]
