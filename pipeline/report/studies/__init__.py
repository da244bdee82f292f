"""The registry of the studies' reports: every module in this folder reports the study of its name.

A module has `REPORT`, a `StudyReport`: how the rows of the study's table.csv become a summary, and how that is drawn.
The page, the files in `report/studies/` and the metrics follow from it.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.page.content import PageTable
from snnprune.core.errors import UserError
from snnprune.core.schema import Block
from snnprune.energy.profiles import Profile


@dataclass(frozen=True)
class Context:
    """What some summaries need besides their table.

    params: the study's block. evaluated: the evaluate stage's table, a row per net. dataset: its name.
    profiles: prices of the hardware.
    """

    params: Block | None
    evaluated: pd.DataFrame
    dataset: str
    profiles: Mapping[str, Profile]


@dataclass(frozen=True)
class StudySummary:
    """What a study found: sentences, flat metrics, and in subclasses its results over seeds."""

    findings: list[str]
    metrics: dict[str, float]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Term and text for the top of the page."""
        return []

    @property
    def page_lines(self) -> list[str]:
        """Lines for the study's section of the page."""
        return self.findings

    @property
    def page_tables(self) -> list[PageTable]:
        """Tables for the study's section of the page."""
        return []

    @property
    def csv_tables(self) -> dict[str, pd.DataFrame]:
        """Tables to write as CSV files, by name."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """What `report/studies/<study>.json` holds."""
        return asdict(self)


@dataclass(frozen=True)
class Drawing:
    """A figure: the name of its file, what it is and what to look at, and how to draw it."""

    name: str
    caption: str
    draw: Callable[[Any], Figure]


@dataclass(frozen=True)
class StudyReport:
    """How a study is reported: the title of its section, its summary and figures.

    params: schema of the study's block where the summary needs it.
    """

    title: str
    summarize: Callable[[pd.DataFrame, Context], StudySummary]
    drawings: tuple[Drawing, ...]
    params: type[Block] | None = None


def load_report(study: str) -> StudyReport:
    """The report of a study.

    Raises:
        UserError: it has none; the message says which file is missing.
    """
    available = sorted(module.name for module in pkgutil.iter_modules(__path__))
    if study not in available:
        raise UserError(
            f"study {study} has no report: add pipeline/report/studies/{study}.py; there are: {', '.join(available)}"
        )
    return importlib.import_module(f"{__name__}.{study}").REPORT
