"""A page taken apart: tags, attributes, tables, text, ids and what refers to them."""

import re
from html.parser import HTMLParser

from tests.imports import PROJECT

PAGES = sorted(path.relative_to(PROJECT) for path in PROJECT.glob("results/*/report/index.html"))
IDS_NAMED_BY = ("aria-labelledby", "aria-describedby", "for")


class Parsed(HTMLParser):
    """What a page holds; `cells` are the rows of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.cells: list[list[str]] = []
        self.text = ""
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_cell:
            self.cells[-1][-1] += data

    @property
    def ids(self) -> list[str]:
        """Every id, as often as it is given."""
        return [value for name, value in self.attributes if name == "id"]

    @property
    def referred(self) -> set[str]:
        """The ids that links, marks, clip paths and labels refer to."""
        found = {value[1:] for name, value in self.attributes if name.endswith("href") and value.startswith("#")}
        for name, value in self.attributes:
            found |= set(re.findall(r"url\(#([^)]*)\)", value))
            if name in IDS_NAMED_BY:
                found |= set(value.split())
        return found

    @property
    def files(self) -> set[str]:
        """What the page links to beside itself."""
        return {value for name, value in self.attributes if name.endswith("href") and not value.startswith("#")}
