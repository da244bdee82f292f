"""What is on the page, section by section, from an experiment's results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.report.claims.judge import Judgement
from pipeline.report.comparison.summary import Comparison
from pipeline.report.comparison.tables import HEADER, caption, cells
from pipeline.report.page.content import Fact, PageFigure, PageTable, Section, Source
from pipeline.report.page.page import Page
from pipeline.report.page.tables import by_level
from pipeline.report.studies import StudyReport, StudySummary

NOTES = (
    "Sparsity is zero synapses over prunable synapses, of all layers together; at a level round((1 - level) n) of n "
    "synapses are kept, exactly. A rounded relaxed mask misses its level: its achieved sparsity is listed beside it.",
    "Protocol fair: the same dense nets, levels, epochs, optimiser, learning rate and batches for every method. "
    "Protocol paper: the rules of the paper author's code.",
    "Every choice is made on validation. Accuracies are test accuracies, read once, unless a figure says validation.",
    "Intervals are 95 % t-intervals over seeds, margins paired differences on the same dense nets; p is not corrected "
    "for the number of levels and methods.",
    "Energy is counted from spikes: effective operations, where neither weight nor input is zero, and neuron updates, "
    "times the prices of a hardware profile.",
)
COMPARISON_FIGURES = {  # name -> caption
    "accuracy_against_sparsity": (
        "Follow a line to the right, where fewer and fewer synapses are left: the higher it ends, the better the "
        "method chose them. Bars are 95 % intervals over seeds, the dotted line is the dense net."
    ),
    "sparsity_error": "Exact selection sits on zero at every level; a relaxed mask that is rounded does not.",
}
# First on the page, in this order; studies that are not listed follow.
ORDER = ("energy", "relaxation", "zombies", "sweep", "temporal", "early_exit", "staleness", "alpha", "paper", "layers")


@dataclass(frozen=True)
class ReportedStudy:
    """A study's report, its summary, and its figures as SVG documents, by name."""

    report: StudyReport
    summary: StudySummary
    svgs: Mapping[str, str]


@dataclass(frozen=True)
class Results:
    """What the page is made of: the comparison with its figures (SVG documents by name), the studies, the claims.

    dataset: the content of dataset.json. network: its layers as text.
    """

    experiment: str
    dataset: Mapping[str, Any]
    network: str
    timesteps: int
    comparison: Comparison
    figures: Mapping[str, str]
    studies: Mapping[str, ReportedStudy]
    judgement: Judgement


def page_of(results: Results) -> Page:
    """The whole page; a study that the experiment lacks has no section."""
    known = [study for study in ORDER if study in results.studies]
    studies = {study: results.studies[study] for study in (*known, *results.studies)}
    compared = _source(results, "compare", "compare/summary.json", "compare/comparison.csv")
    evaluated = _source(results, "evaluate", "evaluate/levels.csv")
    headline = Section(
        "headline",
        "The comparison",
        [_source(results, "data", "data/dataset.json"), evaluated, compared],
        tables=[by_level(results.comparison)],
    )
    numbers = Section(
        "numbers",
        "All numbers of the comparison",
        [compared],
        tables=[PageTable(f"{caption(results.comparison)}.", HEADER, cells(results.comparison))],
    )
    return Page(
        experiment=results.experiment,
        lead=_lead(results),
        facts=[*_facts(results), *(Fact(*fact, study) for study, one in studies.items() for fact in one.summary.facts)],
        headline=headline,
        judgement=results.judgement,
        sections=[
            _compared(results, "accuracy", "Accuracy against sparsity", "accuracy_against_sparsity"),
            *(_study(results, study, one) for study, one in studies.items()),
            _compared(results, "sparsity", "Does the mask hit its target?", "sparsity_error"),
            numbers,
        ],
        notes=NOTES,
    )


def _lead(results: Results) -> str:
    """What came out, in two sentences: the highest level, and the verdicts."""
    summary = results.comparison
    highest = max(summary.levels)
    best = {result.method: result.accuracy for result in summary.results if result.level == highest}
    named = [name for name in ("cqp", "magnitude") if name in best] or list(best)[:2]
    accuracies = ", ".join(f"{name} {best[name].text()} %" for name in named)
    verdicts = [f"{count} {verdict}" for verdict, count in results.judgement.verdicts.items() if count]
    return (
        f"Test accuracy at {100 * highest:g} % sparsity: {accuracies}; the dense net has {summary.dense.text()} %. "
        f"The paper's {len(results.judgement.claims)} claims in this experiment: {', '.join(verdicts)}."
    )


def _facts(results: Results) -> list[Fact]:
    summary, seeds = results.comparison, results.comparison.seeds
    splits = ", ".join(f"{entry['count']:,} {name}" for name, entry in results.dataset["splits"].items())
    size = f"{summary.synapses:,} prunable synapses, {results.timesteps} time steps"
    compared = _source(results, "compare").anchor
    return [
        Fact("dataset", f"{results.dataset['name']}: {splits}", _source(results, "data").anchor),
        Fact("network", f"{results.network}, {size}", compared),
        Fact("seeds", f"{len(seeds)} ({', '.join(map(str, seeds))}), protocol {summary.protocol}", compared),
    ]


def _compared(results: Results, key: str, title: str, name: str) -> Section:
    """The section of a figure of the comparison."""
    source = _source(results, "compare", "compare/summary.json", f"compare/figures/{name}.svg")
    return Section(key, title, [source], [PageFigure(results.figures[name], COMPARISON_FIGURES[name])])


def _study(results: Results, study: str, one: ReportedStudy) -> Section:
    drawings = one.report.drawings
    tables = [f"report/studies/{study}-{name}.csv" for name in one.summary.csv_tables]
    drawn = [f"report/figures/{drawing.name}.svg" for drawing in drawings]
    return Section(
        study,
        one.report.title,
        [
            Source(f"study@{results.experiment}-{study}", [f"studies/{study}/table.csv"]),
            _source(results, "report", f"report/studies/{study}.json", *tables, *drawn),
        ],
        figures=[PageFigure(one.svgs[drawing.name], drawing.caption) for drawing in drawings],
        tables=one.summary.page_tables,
        findings=one.summary.page_lines,
    )


def _source(results: Results, stage: str, *files: str) -> Source:
    return Source(f"{stage}@{results.experiment}", files)
