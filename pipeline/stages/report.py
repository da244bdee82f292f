"""Stage report: one experiment's results as a page, and the paper's claims held against them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pipeline.io import paths
from pipeline.io.entry import experiment_parser, required, run_stage
from pipeline.io.files import read_json, write_json, write_text
from pipeline.io.params import load_block
from pipeline.matrix import studies_of
from pipeline.report.claims.evidence import TABLES, Evidence
from pipeline.report.claims.judge import judge
from pipeline.report.page.page import render_page
from pipeline.report.page.sections import Results, page_of
from snnprune.core.errors import UserError
from snnprune.snn.params import ModelParams

COMPARED = ("accuracy_against_sparsity", "sparsity_error")


def main(argv: Sequence[str] | None = None) -> None:
    """Write `index.html` and `claims.json`.

    Raises:
        ParamsError: the experiment's block `model` is missing or holds something that is not allowed.
        UserError: the comparison, a study's figure, summary or table, dataset.json or matrix.yaml is missing; a figure
            is no SVG.
    """
    experiment = experiment_parser("Render one experiment's page.").parse_args(argv).experiment
    evidence = _evidence(experiment, studies_of(experiment))
    claims = judge(evidence, experiment)
    content = page_of(_results(experiment, evidence, claims))
    try:
        page = render_page(content)
    except ValueError as error:
        raise UserError(f"{experiment}: a figure cannot be shown: {error}") from error
    folder = paths.report_folder(experiment)
    write_json(folder / "claims.json", claims)
    write_text(folder / "index.html", page)
    print(f"report: {folder / 'index.html'}")


def _evidence(experiment: str, studies: Sequence[str]) -> Evidence:
    """What the claims are read from."""
    return Evidence(
        read_json(_compared(experiment, "summary.json")),
        {study: read_json(_studied(experiment, study, "summary.json")) for study in studies},
        {study: pd.read_csv(_studied(experiment, study, name)) for study, name in TABLES.items() if study in studies},
    )


def _results(experiment: str, evidence: Evidence, claims: dict) -> Results:
    """What the page is made of."""
    model = load_block(experiment, "model", ModelParams)
    figures = {name: _compared(experiment, f"figures/{name}.svg") for name in COMPARED}
    figures |= {study: _studied(experiment, study, f"figures/{study}.svg") for study in evidence.summaries}
    energy = {
        name: pd.read_csv(_studied(experiment, "energy", f"{name}.csv"))
        for name in ("grid", "front")
        if "energy" in evidence.summaries
    }
    return Results(
        experiment=experiment,
        dataset=read_json(required(paths.data_folder(experiment) / "dataset.json", f"data@{experiment}")),
        network=model.layers if isinstance(model.layers, str) else "-".join(map(str, model.layers)),
        timesteps=model.timesteps,
        comparison=dict(evidence.comparison),
        studies=dict(evidence.summaries),
        figures={name: file.read_text(encoding="utf-8") for name, file in figures.items()},
        claims=claims,
        **energy,
    )


def _compared(experiment: str, name: str) -> Path:
    return required(paths.compare_folder(experiment) / name, f"compare@{experiment}")


def _studied(experiment: str, study: str, name: str) -> Path:
    return required(paths.studies_folder(experiment, study) / name, f"{study}@{experiment}")


if __name__ == "__main__":
    run_stage(main)
