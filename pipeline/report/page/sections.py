"""What is on the page, section by section, from an experiment's results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE
from pipeline.report.comparison.tables import HEADER, caption, cells, with_interval
from pipeline.report.page.figures import (
    SHOWN_POINTS,
    accuracy_energy_front,
    as_svg,
    energy_by_layer,
    formula_against_count,
    threshold_sweep,
)
from pipeline.report.page.page import Fact, Page, PageFigure, PageTable, Section, Source
from pipeline.report.page.tables import by_level, of_cheapest, of_claims, of_front, of_savings, setting_name

NOTES = (
    "Sparsity is zero synapses over prunable synapses, of all layers together; at a level round((1 - level) n) of n "
    "synapses are kept, exactly. A rounded relaxed mask misses its level: the sparsity it achieved stands beside it.",
    "Protocol fair: the same dense nets, levels, epochs, optimiser, learning rate and batches for every method. "
    "Protocol paper: the rules of the paper author's code.",
    "Every choice is made on validation. Accuracies are test accuracies, read once, unless a figure says validation.",
    "Intervals are 95 % t-intervals over seeds, margins paired differences on the same dense nets; p is not corrected "
    "for the number of levels and methods.",
    "Energy is counted from spikes: effective operations, where neither weight nor input is zero, and neuron updates, "
    "times the prices of a hardware profile.",
)


@dataclass(frozen=True)
class Results:
    """What the page is made of: an experiment's summaries, tables and figures.

    `figures` are SVG documents by name: those of the comparison, and of each study the one of its own name. `grid` and
    `front` are tables of the study energy, None without it.
    """

    experiment: str
    dataset: Mapping[str, Any]
    network: str
    timesteps: int
    comparison: dict[str, Any]
    studies: Mapping[str, dict[str, Any]]
    figures: Mapping[str, str]
    claims: dict[str, Any]
    grid: pd.DataFrame | None = None
    front: pd.DataFrame | None = None


def page_of(results: Results) -> Page:
    """The whole page; a study that the experiment lacks has no section."""
    there = [study for study in SECTIONS if study in results.studies]
    return Page(
        experiment=results.experiment,
        lead=_lead(results),
        facts=_facts(results),
        headline=_headline(results),
        claims=results.claims,
        claims_table=of_claims(results.claims),
        sections=[_accuracy(results), *(SECTIONS[study](results) for study in there), _all_numbers(results)],
        notes=NOTES,
    )


def _lead(results: Results) -> str:
    """What came out, in two sentences: the highest level, and the verdicts."""
    summary = results.comparison
    highest = max(result["level"] for result in summary["results"])
    best = {result["method"]: result["accuracy"] for result in summary["results"] if result["level"] == highest}
    told = [name for name in ("cqp", "magnitude") if name in best] or list(best)[:2]
    accuracies = ", ".join(f"{name} {with_interval(best[name])} %" for name in told)
    verdicts = [f"{count} {verdict}" for verdict, count in results.claims["verdicts"].items() if count]
    return (
        f"At {100 * highest:g} % sparsity test accuracy is: {accuracies}; the dense net has "
        f"{with_interval(summary['dense'])} %. Of the paper's {len(results.claims['claims'])} claims, put to this "
        f"experiment: {', '.join(verdicts)}."
    )


def _facts(results: Results) -> list[Fact]:
    summary, seeds = results.comparison, results.comparison["seeds"]
    splits = ", ".join(f"{entry['count']:,} {name}" for name, entry in results.dataset["splits"].items())
    facts = [
        Fact("dataset", f"{results.dataset['name']}: {splits}", "made-data"),
        Fact(
            "network",
            f"{results.network}, {summary['synapses']:,} prunable synapses, {results.timesteps} time steps",
            "made-compare",
        ),
        Fact("seeds", f"{len(seeds)} ({', '.join(map(str, seeds))}), protocol {summary['protocol']}", "made-compare"),
    ]
    if "alpha" in results.studies:
        alpha = results.studies["alpha"]
        values = ", ".join(f"{value:g}" for value in sorted({result["alpha"] for result in alpha["results"]}))
        facts.append(Fact("alpha, chosen on validation", f"{alpha['chosen']:g} of {values}", "alpha"))
    if "temporal" in results.studies:
        temporal = results.studies["temporal"]
        dense = next(result for result in temporal["results"] if result["method"] == DENSE)
        steps = f"{dense['steps']['mean']:.1f} of {temporal['timesteps']} steps for the dense nets"
        facts.append(Fact("T', chosen on validation", steps, "temporal"))
    if "energy" in results.studies:
        energy = results.studies["energy"]
        profile = next(iter(energy["profiles"]))
        cheapest = energy["cheapest"][profile]
        facts.append(
            Fact(
                "cheapest setting within the allowed loss, chosen on validation",
                f"{setting_name(cheapest, energy['timesteps'])}: {with_interval(cheapest['reduction'][profile])} % "
                f"less energy at {with_interval(cheapest['difference'], sign='+')} points of test accuracy",
                "energy",
            )
        )
    return facts


def _headline(results: Results) -> Section:
    return Section(
        "headline",
        "The comparison",
        [
            _source(results, "data", "data/dataset.json"),
            _source(results, "compare", "compare/summary.json", "compare/comparison.csv"),
        ],
        tables=[by_level(results.comparison)],
    )


def _accuracy(results: Results) -> Section:
    name = "accuracy_against_sparsity"
    return Section(
        "accuracy",
        "Accuracy against sparsity",
        [_source(results, "compare", "compare/summary.json", f"compare/figures/{name}.svg")],
        figures=[
            PageFigure(
                results.figures[name],
                "Test accuracy of every method over sparsity, with 95 % intervals; right a close-up of the best",
                "Follow a line to the right, where ever fewer synapses stay: the higher it ends, the better the method "
                "chose them; bars are 95 % intervals over seeds, the dotted line is the dense net.",
            )
        ],
    )


def _energy(results: Results) -> Section:
    summary = results.studies["energy"]
    profile = next(iter(summary["profiles"]))
    front = as_svg(accuracy_energy_front(results.grid, results.front, summary["cheapest"][profile], profile))
    return Section(
        "energy",
        "Accuracy and energy",
        [_source(results, "energy", *(f"studies/energy/{name}" for name in ("summary.json", "grid.csv", "front.csv")))],
        figures=[
            PageFigure(
                front,
                f"Accuracy-energy front: test accuracy over energy of a sample, profile {profile}",
                "Up and left is better: the line joins what no other setting beats in both accuracy and energy on "
                f"validation; shown are the best {SHOWN_POINTS:g} points.",
            ),
            PageFigure(
                as_svg(energy_by_layer(summary["layers"], profile)),
                f"Energy of a sample by layer, profile {profile}, of the dense net and of the first method's nets",
                "See which layer the energy goes to, and how it shrinks as synapses are removed.",
            ),
            PageFigure(
                as_svg(formula_against_count(results.grid, profile, summary["timesteps"])),
                f"Energy saved by count over energy saved by the paper's formula, profile {profile}",
                "Below the dotted line a method saves less than the paper's formula says, since it keeps the busy "
                "synapses; above it, more.",
            ),
        ],
        tables=[of_front(results.front, profile, SHOWN_POINTS), of_savings(summary, profile), of_cheapest(summary)],
        findings=[f"{name}: {profile['source']}" for name, profile in summary["profiles"].items()],
    )


def _relaxation(results: Results) -> Section:
    return _study(
        results,
        "relaxation",
        "The relaxation trap",
        "Masks of both relaxed programs: achieved minus target sparsity; test accuracy fractional, rounded and exact",
        "A relaxed mask rounded at 0.5 has another sparsity than asked (left, off zero), and so another accuracy than "
        "the exact mask (right, dashed against solid).",
        more=[_sparsity_error(results)],
    )


def _sparsity_error(results: Results) -> PageFigure:
    return PageFigure(
        results.figures["sparsity_error"],
        "Achieved minus target sparsity of every method, in one step and level after level",
        "Exact selection sits on zero at every level; what rounds a relaxed mask does not.",
    )


def _zombies(results: Results) -> Section:
    return _study(
        results,
        "zombies",
        "Zombie weights",
        "Zombies, sparsity and validation accuracy over optimiser steps, by what is masked",
        "Masking gradients alone is not enough: the moments of the dense training revive pruned weights (left) and "
        "undo the sparsity (middle); with the moments masked none returns.",
    )


def _staleness(results: Results) -> Section:
    return _study(
        results,
        "staleness",
        "Stale criticality",
        "Test accuracy with criticality recomputed at every level or frozen at the dense net, and the paired gain",
        "Where the right curve's interval lies above zero, measuring criticality anew at that level was worth it.",
    )


def _sweep(results: Results) -> Section:
    summary = results.studies["sweep"]
    return Section(
        "sweep",
        "Threshold sweep and its cliff",
        [_source(results, "sweep", "studies/sweep/summary.json", "studies/sweep/table.csv")],
        figures=[
            PageFigure(
                as_svg(threshold_sweep(summary)),
                "Test accuracy and achieved sparsity over the threshold of protection tau, by rule, cliffs shaded",
                "The relaxed program and the hard cut keep less and less as tau rises, and accuracy goes with it; the "
                "shaded band is the largest fall between neighbouring thresholds, the cliff.",
            )
        ],
        findings=summary["findings"],
    )


def _temporal(results: Results) -> Section:
    return _study(
        results,
        "temporal",
        "KL over time",
        "KL divergence to the final class distribution, and validation accuracy, over time steps",
        "KL falls until the class distribution stands; dots mark T', where the net may stop.",
    )


def _early_exit(results: Results) -> Section:
    return _study(
        results,
        "early_exit",
        "Early exit",
        "Accuracy over the mean time steps of a sample that stops when its answer is clear",
        "Each curve bends where further steps bring nothing; crosses are test accuracy at the chosen threshold.",
    )


def _paper(results: Results) -> Section:
    return _study(
        results,
        "paper",
        "The paper's own rules",
        "Test accuracy over sparsity of the same dense nets under protocol paper and protocol fair",
        "The same nets, left under the rules of the paper author's code (hollow: its published results), right under "
        "one budget for all: the order of the methods depends on the rules.",
    )


def _alpha(results: Results) -> Section:
    return _study(
        results,
        "alpha",
        "The exponent alpha",
        "Validation accuracy over alpha after fine-tuning, a line a level",
        "How much criticality should count: the highest point of each line; the dotted one is what was chosen on "
        "validation.",
    )


def _layers(results: Results) -> Section:
    return _study(
        results,
        "layers",
        "Layer sensitivity",
        "Points of validation accuracy lost by pruning one layer alone, over its sparsity",
        "The steeper a layer's curve, the less it bears being pruned.",
    )


def _all_numbers(results: Results) -> Section:
    table = PageTable(f"{caption(results.comparison)}.", HEADER, cells(results.comparison))
    source = _source(results, "compare", "compare/summary.json", "compare/comparison.csv")
    error = [] if "relaxation" in results.studies else [_sparsity_error(results)]
    return Section("numbers", "All numbers of the comparison", [source], figures=error, tables=[table])


# The order of the page.
SECTIONS: dict[str, Callable[[Results], Section]] = {
    "energy": _energy,
    "relaxation": _relaxation,
    "zombies": _zombies,
    "sweep": _sweep,
    "temporal": _temporal,
    "early_exit": _early_exit,
    "staleness": _staleness,
    "alpha": _alpha,
    "paper": _paper,
    "layers": _layers,
}


def _study(
    results: Results, study: str, title: str, name: str, sentence: str, more: Sequence[PageFigure] = ()
) -> Section:
    """The section of a study with its own figure, then `more`, and its findings."""
    files = [f"studies/{study}/{file}" for file in ("summary.json", "table.csv", f"figures/{study}.svg")]
    sources = [_source(results, study, *files)]
    if more:
        sources.append(_source(results, "compare", "compare/figures/sparsity_error.svg"))
    figure = PageFigure(results.figures[study], name, sentence)
    return Section(study, title, sources, [figure, *more], findings=results.studies[study]["findings"])


def _source(results: Results, stage: str, *files: str) -> Source:
    return Source(f"{stage}@{results.experiment}", files)
