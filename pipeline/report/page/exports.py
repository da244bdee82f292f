"""The section `Exports` of the page: how large the files for other tools are, and how often they decide otherwise."""

from dataclasses import dataclass

import pandas as pd

from pipeline.report.page.content import Section, Source, table_of
from pipeline.report.statistics import Interval, describe

CAPTION = (
    "Nets for other tools, over seeds. The net: its arrays alone, in flash or in a file. Decisions and spike counts of "
    "the exported files that are not the network's, of all test samples; the whole numbers of c-int8 and c-int4 are "
    "rounded after training."
)
COLUMNS = {
    "net": lambda one: one.net,
    "target": lambda one: one.target,
    "the net (kB)": lambda one: "-" if one.held is None else one.held.text(1e-3),
    "all files (kB)": lambda one: one.files.text(1e-3),
    "other decisions": lambda one: one.of_samples(one.decisions),
    "other spike counts": lambda one: one.of_samples(one.counts),
    "test accuracy (%)": lambda one: "-" if one.accuracy is None else one.accuracy.text(),
}


@dataclass(frozen=True)
class _Export:
    """The nets of a method and level for one target. held, files: bytes. Where not all could be run, samples, decisions
    and counts are 0 and accuracy is None."""

    net: str
    target: str
    held: Interval | None
    files: Interval
    samples: int
    decisions: int
    counts: int
    accuracy: Interval | None

    def of_samples(self, count: int) -> str:
        return f"{count:,} of {self.samples:,}" if self.samples else "not run"


def exports_section(experiment: str, table: pd.DataFrame) -> Section:
    """Of the stage's table (`pipeline.stages.export`)."""
    nets = table.assign(net=table["net"].str.rpartition("/seed")[0])
    rows = [_export(*key, of) for key, of in nets.groupby(["net", "target"], sort=False)]
    source = Source(f"export@{experiment}", ["export/table.csv"])
    return Section("exports", "Exports", [source], tables=[table_of(CAPTION, rows, COLUMNS)])


def _export(net: str, target: str, of: pd.DataFrame) -> _Export:
    run = of if "samples" in of and of["samples"].notna().all() else of[:0]
    counted = [int(run[name].sum()) if len(run) else 0 for name in ("samples", "decisions", "counts")]
    held = describe(of["net_bytes"]) if of["net_bytes"].notna().all() else None
    return _Export(net, target, held, describe(of["bytes"]), *counted, describe(run["accuracy"]) if len(run) else None)
