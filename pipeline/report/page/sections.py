"""What is on the page, section by section, from an experiment's results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.report.claims.judge import Judgement
from pipeline.report.comparison.figures import FIGURES
from pipeline.report.comparison.summary import Comparison
from pipeline.report.comparison.tables import by_level, table
from pipeline.report.page.content import Fact, PageFigure, Section, Source
from pipeline.report.page.page import Page
from pipeline.report.studies import StudyReport, StudySummary
from pipeline.report.style import Drawing

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
# First on the page, in this order; studies that are not listed follow.
ORDER = ("energy", "relaxation", "zombies", "sweep", "temporal", "early_exit", "staleness", "alpha", "paper", "layers")


@dataclass(frozen=True)
class Results:
    """What the page is made of: the comparison, the studies' reports and summaries, the claims, and figures.

    dataset: the content of dataset.json. network: its layers as text. figures: SVG documents by name.
    """

    experiment: str
    dataset: Mapping[str, Any]
    network: str
    timesteps: int
    comparison: Comparison
    studies: Mapping[str, tuple[StudyReport, StudySummary]]
    judgement: Judgement
    figures: Mapping[str, str]


def page_of(results: Results) -> Page:
    """The whole page; a study that the experiment lacks has no section."""
    known = [study for study in ORDER if study in results.studies]
    studies = {study: results.studies[study] for study in (*known, *results.studies)}
    accuracy, sparsity = FIGURES
    compared = _source(results, "compare", "compare/summary.json", "compare/comparison.csv")
    sources = [_source(results, "data", "data/dataset.json"), _source(results, "evaluate", "evaluate/levels.csv")]
    facts = [Fact(*fact, study) for study, (_, summary) in studies.items() for fact in summary.facts]
    return Page(
        experiment=results.experiment,
        lead=_lead(results),
        facts=[*_facts(results), *facts],
        headline=Section("headline", "The comparison", [*sources, compared], tables=[by_level(results.comparison)]),
        judgement=results.judgement,
        sections=[
            _compared(results, "accuracy", "Accuracy against sparsity", accuracy),
            *(_study(results, study, *one) for study, one in studies.items()),
            _compared(results, "sparsity", "Does the mask hit its target?", sparsity),
            Section("numbers", "All numbers of the comparison", [compared], tables=[table(results.comparison)]),
        ],
        notes=NOTES,
    )


def _lead(results: Results) -> str:
    """What came out, in two sentences: the highest level, and the verdicts."""
    summary = results.comparison
    highest = max(summary.levels)
    best = {one.method: one.accuracy for one in summary.results.itertuples() if one.level == highest}
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


def _compared(results: Results, key: str, title: str, drawing: Drawing) -> Section:
    """The section of a figure of the comparison."""
    source = _source(results, "compare", "compare/summary.json", f"compare/figures/{drawing.name}.svg")
    return Section(key, title, [source], [PageFigure(results.figures[drawing.name], drawing.caption)])


def _study(results: Results, study: str, report: StudyReport, summary: StudySummary) -> Section:
    tables = [f"report/studies/{study}-{name}.csv" for name in summary.csv_tables]
    drawn = [f"report/figures/{drawing.name}.svg" for drawing in report.drawings]
    return Section(
        study,
        report.title,
        [
            Source(f"study@{results.experiment}-{study}", [f"studies/{study}/table.csv"]),
            _source(results, "report", f"report/studies/{study}.json", *tables, *drawn),
        ],
        figures=[PageFigure(results.figures[drawing.name], drawing.caption) for drawing in report.drawings],
        tables=summary.page_tables,
        findings=summary.findings if summary.page_lines is None else summary.page_lines,
    )


def _source(results: Results, stage: str, *files: str) -> Source:
    return Source(f"{stage}@{results.experiment}", files)
