"""docs/api.md has every public name, and what it says is what the docstrings say now."""

import pytest

import snnprune
from scripts.api_reference import FOR_AUTHORS, PAGE, reference


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "docs/api.md is out of date: make docs"


@pytest.mark.parametrize(
    "name",
    [*(f"snnprune.{name}" for name in snnprune.__all__), *(one for part in FOR_AUTHORS.values() for one in part)],
)
def test_every_name_has_a_heading_and_says_what_it_is(name: str) -> None:
    _, entry = reference().split(f"### {name}\n", 1)
    said = entry.split("### ")[0].split("```text\n")
    assert len(said) in (2, 3) and said[-1].split("```")[0].strip(), f"{name} has no docstring"
