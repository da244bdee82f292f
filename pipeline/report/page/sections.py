"""What is on the page, section by section, from an experiment's results."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.claims.judge import NOT_MEASURED, Judgement
from pipeline.report.comparison.figures import FIGURES, SPENT
from pipeline.report.comparison.summary import Comparison
from pipeline.report.comparison.tables import at_equal_energy, best_text, by_level, energy_parts_table, one_shot, table
from pipeline.report.page.content import PageFigure, PageTable, Section, Source
from pipeline.report.page.page import Page
from pipeline.report.studies import Studied
from pipeline.report.style import Drawing
from snnprune.core.own_model import OwnModel
from snnprune.core.params import ModelParams

# First on the page, in this order; studies that are not listed follow.
ORDER = (
    "energy", "ann", "relaxation", "zombies", "sweep", "temporal", "early_exit", "fewer_steps", "quantise", "staleness",
    "alpha", "paper", "layers", "scratch",
)  # fmt: skip


ONE_DENSE_NET = (
    "The network came trained: it is one dense net, and seeds vary its fine-tuning alone, so the intervals cover no "
    "variance of training."
)


def page_of(
    experiment: str,
    dataset: Mapping[str, Any],
    model: ModelParams | OwnModel,
    timesteps: int,
    comparison: Comparison,
    studies: Mapping[str, Studied],
    judgement: Judgement,
    svgs: Mapping[str, str],
    exports: Section | None = None,
) -> Page:
    """The whole page; a study that the experiment lacks has no section. dataset: the content of dataset.json.
    timesteps: T. svgs: the figures of the comparison and the studies, by name. exports: None where the experiment
    exports none."""

    def source(stage: str, *files: str) -> Source:
        return Source(f"{stage}@{experiment}", files)

    def compared(key: str, title: str, drawing: Drawing, tables: Sequence[PageTable] = ()) -> Section:
        made = source("compare", "compare/summary.json", f"compare/figures/{drawing.name}.svg")
        return Section(key, title, [made], [PageFigure(svgs[drawing.name], drawing.caption)], tables)

    def studied(study: str) -> Section:
        report, summary = studies[study].report, studies[study].summary
        files = [f"report/studies/{study}.json", *(f"report/studies/{study}-{name}.csv" for name in summary.csv_tables)]
        files += [f"report/figures/{drawing.name}.svg" for drawing in report.drawings]
        return Section(
            study,
            report.title,
            [Source(f"study@{experiment}-{study}", [f"studies/{study}/table.csv"]), source("report", *files)],
            [PageFigure(svgs[drawing.name], drawing.caption) for drawing in report.drawings],
            summary.page_tables,
            summary.findings,
        )

    accuracy, sparsity, energy = FIGURES
    files = ("compare/summary.json", "compare/comparison.csv", f"compare/figures/{accuracy.name}.svg")
    everything = source("compare", *files)
    sources = [source("data", "data/dataset.json"), source("evaluate", "evaluate/levels.csv"), everything]
    ordered = [*(study for study in ORDER if study in studies), *(study for study in studies if study not in ORDER)]
    splits = ", ".join(f"{entry['count']:,} {name}" for name, entry in dataset["splits"].items())
    about = f"; {dataset['about']}" if "about" in dataset else ""
    network = f"{_network(model)}, {comparison.synapses:,} prunable synapses, {timesteps} time steps"
    seeds = f"{len(comparison.seeds)} ({', '.join(map(str, comparison.seeds))}), protocol {comparison.protocol}"
    seeds += f". {ONE_DENSE_NET}" if comparison.one_dense_net else ""
    return Page(
        experiment=experiment,
        lead=_lead(comparison, judgement),
        facts=[
            ("dataset", f"{dataset['name']}: {splits}{about}", sources[0].anchor),
            ("network", network, everything.anchor),
            ("seeds", seeds, everything.anchor),
            *((*fact, study) for study in ordered for fact in studies[study].summary.facts),
        ],
        headline=Section(
            "headline",
            "The comparison",
            sources,
            [PageFigure(svgs[accuracy.name], accuracy.caption)],
            by_level(comparison),
        ),
        judgement=judgement,
        sections=[
            compared("equal_energy", "Accuracy against energy", energy, at_equal_energy(comparison)),
            Section("one_shot", "Pruned in one step, without fine-tuning", [everything], tables=one_shot(comparison)),
            compared("energy_parts", "What the energy is spent on", SPENT, energy_parts_table(comparison)),
            *map(studied, ordered),
            *([] if exports is None else [exports]),
            compared("sparsity", "Does the mask hit its target?", sparsity),
            Section("numbers", "All numbers of the comparison", [everything], tables=[table(comparison)]),
        ],
    )


def _network(model: ModelParams | OwnModel) -> str:
    if isinstance(model, OwnModel):
        return f"{model.module} with {model.checkpoint}" if model.checkpoint else model.module
    return model.layers if isinstance(model.layers, str) else "-".join(map(str, model.layers))


def _lead(comparison: Comparison, judgement: Judgement) -> str:
    """What came out, in few sentences: the highest level, the dense net, and the verdicts there are."""
    lead = f"{best_text(comparison, max(comparison.levels))} The dense net has {comparison.dense.text()} %."
    given = [f"{count} {verdict}" for verdict, count in judgement.verdicts.items() if count and verdict != NOT_MEASURED]
    return f"{lead} The paper's claims in this experiment: {', '.join(given)}." if given else lead
