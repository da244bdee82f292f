"""Stage report: one experiment's results as a page, and the paper's claims held against them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import paths
from pipeline.analysis.tables import HEADER, caption, cells
from pipeline.claims.evidence import TABLES, Evidence
from pipeline.claims.judge import judge
from pipeline.files import read_json, write_json, write_text
from pipeline.matrix import studies_of
from pipeline.report.page import PageFigure, render_page
from pipeline.stages.entry import experiment_parser, required, run_stage

FIGURES = {
    "accuracy_against_sparsity.svg": "Test accuracy of every method as synapses are removed; bars are 95 % intervals.",
    "sparsity_error.svg": "Exact selection sits on zero at every level; rounding a relaxed mask misses its target.",
}

# In the order of the page.
STUDY_SENTENCES = {
    "layers": "How much accuracy each layer alone loses when it is pruned in one step.",
    "alpha": "How much criticality should count: chosen on validation, test is not read.",
    "relaxation": "The trap: a relaxed mask rounded at 0.5 has another sparsity than asked, and another accuracy.",
    "zombies": "Pruned weights that the dense training's Adam state revives, by what is masked.",
    "staleness": "Whether criticality must be measured anew at every level.",
    "sweep": "Where the threshold of protection makes accuracy fall, and why.",
    "paper": "The same nets under the rules of the paper author's code (hollow: its published results), and fair ones.",
    "temporal": "How many time steps are enough: KL to the final class distribution, and accuracy (dots: T').",
    "early_exit": "Every sample stops when its answer is clear: accuracy against mean steps.",
    "energy": "What is really saved: accuracy against energy, energy by layer, the paper's formula against the count.",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Write `index.html` and `claims.json`.

    Raises:
        UserError: the comparison is missing, or a study's figure, summary or table, or matrix.yaml.
    """
    experiment = experiment_parser("Render one experiment's page.").parse_args(argv).experiment
    compared = paths.compare_folder(experiment)
    summary = read_json(required(compared / "summary.json", f"compare@{experiment}"))
    figures = [
        PageFigure(
            required(compared / "figures" / name, f"compare@{experiment}").read_text(encoding="utf-8"),
            sentence,
            f"dvc repro compare@{experiment}",
        )
        for name, sentence in FIGURES.items()
    ]
    there = studies_of(experiment)
    figures += [_study_figure(experiment, study) for study in STUDY_SENTENCES if study in there]
    claims = judge(_evidence(experiment, summary, there), experiment)
    write_json(paths.report_folder(experiment) / "claims.json", claims)
    page = paths.report_folder(experiment) / "index.html"
    write_text(page, render_page(experiment, caption(summary), HEADER, cells(summary), figures))
    print(f"report: {page}")


def _evidence(experiment: str, comparison: dict[str, Any], studies: Sequence[str]) -> Evidence:
    """What the claims are read from."""

    def file(study: str, name: str) -> Path:
        return required(paths.studies_folder(experiment, study) / name, f"{study}@{experiment}")

    return Evidence(
        comparison,
        {study: read_json(file(study, "summary.json")) for study in studies},
        {study: pd.read_csv(file(study, name)) for study, name in TABLES.items() if study in studies},
    )


def _study_figure(experiment: str, study: str) -> PageFigure:
    folder, command = paths.studies_folder(experiment, study), f"dvc repro {study}@{experiment}"
    figure = required(folder / "figures" / f"{study}.svg", f"{study}@{experiment}")
    findings = read_json(required(folder / "summary.json", f"{study}@{experiment}"))["findings"]
    return PageFigure(figure.read_text(encoding="utf-8"), STUDY_SENTENCES[study], command, findings)


if __name__ == "__main__":
    run_stage(main)
