"""The report page: self-contained, complete, every link leads somewhere, and safe against markup in names."""

import base64
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.io import paths
from pipeline.report.claims.evidence import Evidence
from pipeline.report.claims.judge import judge
from pipeline.report.page.content import PageFigure, PageTable, Section, Source
from pipeline.report.page.markdown import render_markdown
from pipeline.report.page.page import Page, render_page
from pipeline.report.statistics import describe, paired_difference
from tests.imports import PROJECT
from tests.pipeline.report.page.parsed import PAGES, Parsed
from tests.pipeline.report.tables import comparison_of

HEADER = ["method", "level", "accuracy"]
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt"><path d="M 0 0"/></svg>'
CQP = {"method": "cqp", "level": 0.9, "accuracy": describe([0.9, 0.91]), "margin": paired_difference([0, 1], [1, 1])}
ROWS = [["dense", "0", "98.00 ± 0.10"], ["cqp", "0.9", "97.10 ± 0.30"], ["magnitude", "0.9", "95.20"]]


def made_page(name: str = "made", **changes: Any) -> Page:
    """A page of two sections, three figures and a table."""
    compare, study = Source(f"compare@{name}", ["compare/summary.json"]), Source(f"study@{name}-sweep", ["a.csv"])
    figures = [PageFigure(SVG, f"See {number}.") for number in (1, 2)]
    page = Page(
        experiment=name,
        lead="It came out.",
        facts=[("seeds", "3", compare.anchor)],
        headline=Section("headline", "The comparison", [compare], tables=[PageTable("Three rows.", HEADER, ROWS)]),
        judgement=judge(Evidence(comparison_of(CQP), "made"), name),
        sections=[
            Section("accuracy", "Accuracy", [compare], figures),
            Section("sweep", "Sweep", [study], figures[:1], findings=["first <b>", "two"]),
        ],
    )
    return replace(page, **changes)


def test_everything_is_there() -> None:
    text = render_page(made_page())
    parsed = Parsed(text)
    assert [HEADER, *ROWS] == parsed.cells[:4]
    for shown in ("It came out.", "Three rows.", "See 1.", "See 2.", "The rule"):
        assert shown in parsed.text
    assert (text.count("<img"), text.count("<figure>"), text.count("<figcaption>")) == (3, 3, 3)
    assert base64.b64encode(SVG.encode()).decode() in text
    assert re.findall("<li>(first.*|two)</li>", text) == ["first &lt;b&gt;", "two"]
    assert text.startswith("<!doctype html>")


def test_every_number_says_what_made_it() -> None:
    text = render_page(made_page())
    for section, stage in (("headline", "compare@made"), ("accuracy", "compare@made"), ("sweep", "study@made-sweep")):
        part = text.split(f'<section id="{section}"')[1].split("</section>")[0]
        anchor = f"made-{stage.replace('@', '-')}"
        assert f'Made by <a href="#{anchor}">{stage}</a>: <code>dvc repro {stage}</code>' in part
        assert f'<tr id="{anchor}">' in text
    made = text.split('<section id="made"')[1]
    assert '<a href="../a.csv">a.csv</a>' in made
    assert '<a href="#accuracy">Accuracy</a>' in made


@pytest.mark.parametrize(("count", "folded"), [(25, False), (26, True)])
def test_a_long_table_is_folded_and_a_short_one_is_not(count: int, folded: bool) -> None:
    table = PageTable("So many rows. Each is one.", HEADER, ROWS[:1] * count)
    text = render_page(made_page(headline=Section("headline", "The comparison", [], tables=[table])))
    assert (f"<summary>So many rows ({count} rows)</summary>" in text) is folded
    assert Parsed(text).cells.count(ROWS[0]) == count


def test_markdown_has_the_tables_findings_and_verdicts() -> None:
    page = made_page()
    text = render_markdown(page)
    assert text.startswith("# made: pruning methods compared\n\nIt came out.\n")
    assert "| method | level | accuracy |\n| --- | ---: | ---: |\n| dense | 0 | 98.00 ± 0.10 |\n" in text
    assert "- first &lt;b>\n- two\n" in text
    assert "## Accuracy" not in text  # a figure alone
    assert all(f"| {claim.claim} | {claim.verdict} |" in text for claim in page.judgement.measured)
    broken = PageTable("c", ["a|b"], [["one\ntwo"]])
    assert "| a\\|b |\n| --- |\n| one two |" in render_markdown(
        made_page(headline=Section("headline", "h", [], tables=[broken]))
    )


def test_every_claim_has_its_verdict_reason_and_conditions() -> None:
    page = made_page()
    text = render_page(page)
    assert [claim.id for claim in page.judgement.measured] == ["cqp_at_90"]
    for claim in page.judgement.measured:
        part = Parsed(text.split(f'<details class="claim" id="claim-{claim.id}"')[1].split("</details>")[0]).text
        assert claim.verdict in part
        assert claim.why in part
        assert all(condition.quantity in part for condition in claim.conditions)


def test_claims_that_were_not_measured_are_a_line_and_without_any_other_the_rule_goes_too() -> None:
    page = made_page()
    text = render_page(page)
    assert text.count('<details class="claim"') == 1
    assert page.judgement.left_out in Parsed(text).text
    none = render_page(made_page(judgement=judge(Evidence(comparison_of(), "made"), "made")))
    section = none.split('<section id="claims"')[1].split("</section>")[0]
    assert "left out: 8 of 8 claims" in section
    assert not {"details", "ul", "ol", "table"} & set(Parsed(section).tags)
    assert_whole(none)


def test_a_page_is_whole() -> None:
    assert_whole(render_page(made_page()))


def assert_whole(text: str) -> None:
    """Ids are given once, every reference has its id, nothing is loaded from elsewhere, and whoever sees nothing is
    told what there is."""
    parsed = Parsed(text)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert parsed.referred <= set(parsed.ids)
    assert parsed.tags.count("script") <= 1  # within the page, for `src` is an image's alone
    assert not {"link", "iframe", "object", "embed", "base"} & set(parsed.tags)
    assert not {name for name, _ in parsed.attributes if name.startswith("on") or name in ("srcset", "data")}
    assert all(value.startswith("data:image/svg+xml;base64,") for name, value in parsed.attributes if name == "src")
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)\)", text))
    assert not [value for _, value in parsed.attributes if re.match("(https?:)?//", value)]
    assert {"main", "nav", "header"} <= set(parsed.tags)
    frames, images = re.findall(r'<div class="frame[^>]*>', text), re.findall("<img[^>]*>", text)
    assert frames and all(re.search('tabindex="0" role="region" aria-label="[^"]+"', frame) for frame in frames)
    assert images and all(re.search('alt="[^"]+"', image) for image in images)
    assert all("<caption>" in table for table in re.findall("<table>.*?</table>", text, flags=re.DOTALL))


def test_markup_in_names_is_escaped() -> None:
    evil = "<script>alert('x')</script>&"
    table = PageTable(evil, HEADER, [[evil, "0.9", "1"]])
    section = Section("accuracy", evil, [Source("compare@made", [])], [PageFigure(SVG, evil)], [table])
    text = render_page(made_page(evil, sections=[section]))
    parsed = Parsed(text)
    assert "<script>alert" not in text
    assert parsed.tags.count("script") == 1
    assert [evil, "0.9", "1"] in parsed.cells
    assert parsed.text.count(evil) >= 5


@pytest.mark.parametrize("file", PAGES, ids=str)
def test_the_pages_in_git_are_whole(file: Path) -> None:
    """The files that are linked to are there, too."""
    text = (PROJECT / file).read_text(encoding="utf-8")
    assert_whole(text)
    files = Parsed(text).files
    assert not [link for link in files if not (PROJECT / file.parent / link).is_file()]
    assert len(files) > 3
    assert len(text) < 1_200_000


def test_there_is_a_page_in_git_of_every_experiment_with_results() -> None:
    compared = {path.parent.parent.name for path in PROJECT.glob("results/*/compare/summary.json")}
    assert {paths.report_folder(name) / "index.html" for name in compared} == set(PAGES)
