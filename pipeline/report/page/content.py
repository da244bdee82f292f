"""What a page is made of: sections of figures, tables and sentences, each with the stages that made its numbers."""

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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
    """An SVG document, and what it is and what to look at."""

    svg: str
    caption: str

    @property
    def data_uri(self) -> str:
        """The document as the address of an image: nothing of it can clash with the page or with another figure."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"

    @property
    def width(self) -> float:
        """Its width in points."""
        return float(re.search(r'<svg [^>]*width="([\d.]+)pt"', self.svg)[1])


@dataclass(frozen=True)
class PageTable:
    """A table of strings under a header, with its caption; the first column names the row."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def table_of(caption: str, rows: Iterable[Any], columns: Mapping[str, Callable[[Any], str]]) -> PageTable:
    """A row per entry of `rows`; a column's title -> its cell of a row."""
    return PageTable(caption, list(columns), [[cell(row) for cell in columns.values()] for row in rows])


@dataclass(frozen=True)
class Section:
    """One subject of the page, under the anchor `key`: figures, tables, findings line by line, and what made them."""

    key: str
    title: str
    sources: Sequence[Source]
    figures: Sequence[PageFigure] = ()
    tables: Sequence[PageTable] = ()
    findings: Sequence[str] = ()
