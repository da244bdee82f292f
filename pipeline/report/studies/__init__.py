"""The registry of the studies' reports: every module in this folder reports the study of its name.

A module has `REPORT`, a `StudyReport`: how the rows of the study's table.csv become a summary, and how that is drawn.
The page, the files in `report/studies/` and the metrics follow from it.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE
from pipeline.report.page.content import PageTable
from pipeline.report.statistics import plain
from pipeline.report.style import Drawing
from snnprune.core.errors import UserError
from snnprune.core.schema import Block
from snnprune.energy.profiles import Profile


@dataclass(frozen=True)
class Context:
    """What some summaries need besides their table.

    params: the study's block. evaluated: the evaluate stage's table, a row per net. dataset: its name.
    profiles: prices of the hardware. layers: what people call the layer of a weight. best: the method that validation
    finds best at the highest level, None where none is a rival; sentences are about its nets. step_ms: how long a time
    step of recorded events lasts, None where that is not known or the input is a still image. tables: the rows of all
    studies of the experiment, by name.
    """

    params: Block | None
    evaluated: pd.DataFrame
    dataset: str
    profiles: Mapping[str, Profile]
    layers: Mapping[str, str]
    best: str | None
    step_ms: float | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def duration(self) -> dict[str, float]:
        """`step_ms` as a summary keeps it, nothing where there is none."""
        return {} if self.step_ms is None else {"step_ms": self.step_ms}


@dataclass(frozen=True)
class StudySummary:
    """What a study found.

    findings: sentences. metrics: flat numbers. results: a row per group of its rows, with intervals over seeds.
    more: what else is kept, by name. facts: term and text for the top of the page. page_tables: tables of its
    section. csv_tables: tables to write as CSV files, by name.
    """

    findings: list[str]
    metrics: dict[str, float]
    results: pd.DataFrame
    more: Mapping[str, Any] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()
    page_tables: Sequence[PageTable] = ()
    csv_tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What `report/studies/<study>.json` holds."""
        content = {"findings": self.findings, "metrics": self.metrics, **self.more, "results": self.results}
        return {name: plain(value) for name, value in content.items()}


@dataclass(frozen=True)
class StudyReport:
    """How a study is reported: the title of its section, its summary and figures. params: schema of the study's block
    where the summary needs it."""

    title: str
    summarize: Callable[[pd.DataFrame, Context], StudySummary]
    drawings: tuple[Drawing, ...]
    params: type[Block] | None = None


@dataclass(frozen=True)
class Studied:
    """A study's report, its rows, and their summary."""

    report: StudyReport
    table: pd.DataFrame
    summary: StudySummary


def load_report(study: str) -> StudyReport:
    """The report of a study. Raises UserError: it has none; the message says which file is missing."""
    available = sorted(module.name for module in pkgutil.iter_modules(__path__))
    if study not in available:
        raise UserError(
            f"study {study} has no report: add pipeline/report/studies/{study}.py; there are: {', '.join(available)}"
        )
    return importlib.import_module(f"{__name__}.{study}").REPORT


def metrics_of(results: pd.DataFrame, keys: Sequence[str], name: Callable[[Any], str]) -> dict[str, float]:
    """The metrics `<key>/<name of the row>`: the mean of every interval that a row has under `keys`."""
    return {
        f"{key}/{name(row)}": interval.mean
        for row in results.itertuples()
        for key in keys
        if (interval := getattr(row, key)) is not None
    }


def headline(results: pd.DataFrame, best: str | None) -> pd.DataFrame:
    """The rows of the nets for sentences and crowded figures: the dense ones and those of the method `best`."""
    return results[results["method"].isin([DENSE, best])]
