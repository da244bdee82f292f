"""The page's tables and findings in Markdown, for who reads in a terminal, a diff or a pull request."""

from collections.abc import Iterator

from pipeline.report.page.content import PageTable, Section
from pipeline.report.page.page import Page


def render_markdown(page: Page) -> str:
    """Title and what came out, the tables and findings of every section, and the verdicts on the paper's claims."""
    parts = [f"# {page.experiment}: pruning methods compared", page.lead, *_section(page.headline)]
    if page.judgement.measured:
        claims = PageTable("", ["claim", "verdict"], [[one.claim, one.verdict] for one in page.judgement.measured])
        parts += ["## The paper's claims", _table(claims)]
    for section in page.sections:
        if section.tables or section.findings:
            parts += _section(section)
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.title}"
    for table in section.tables:
        yield table.caption
        yield _table(table)
    if section.findings:
        yield "\n".join(f"- {_escaped(finding)}" for finding in section.findings)


def _table(table: PageTable) -> str:
    lines = [table.header, ["---", *["---:"] * (len(table.header) - 1)], *table.rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(text: str) -> str:
    """Nothing in it ends a cell or is markup."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
