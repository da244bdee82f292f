"""Stage report: one experiment's studies summarised and drawn, the paper's claims judged, and all of it as a page."""

from collections.abc import Sequence
from dataclasses import asdict

from pipeline.export.paths import export_table
from pipeline.io import paths
from pipeline.io.entry import experiment_parser, required, run_stage
from pipeline.io.files import read_json, write_json, write_text
from pipeline.io.finished import study_table
from pipeline.io.matrix_file import read_stages, studies_of
from pipeline.io.params import load_block
from pipeline.io.tables import read_table, write_table
from pipeline.pricing import priced
from pipeline.report.claims.evidence import Evidence
from pipeline.report.claims.judge import judge
from pipeline.report.comparison.figures import FIGURES, SPENT
from pipeline.report.comparison.summary import from_json
from pipeline.report.page.exports import exports_section
from pipeline.report.page.markdown import render_markdown
from pipeline.report.page.page import render_page
from pipeline.report.page.sections import page_of
from pipeline.report.studies import Context, Studied, load_report
from pipeline.report.words import OwnLayers, layer_names
from snnprune.core.network import build_network
from snnprune.core.own_model import Model, OwnModel
from snnprune.energy.profiles import load_profiles
from snnprune.pruning.mask import prunable_weights


def main(argv: Sequence[str] | None = None) -> None:
    """Write `index.html`, `report.md`, `claims.json`, the figures, and every study's summary, metrics and tables.
    Raises UserError: a block, a result or matrix.yaml is missing or not as allowed, or a study has no report."""
    experiment = experiment_parser("Report one experiment.").parse_args(argv).experiment
    model = load_block(experiment, "model", Model)
    summary = required(paths.compare_folder(experiment) / "summary.json", f"compare@{experiment}")
    comparison = from_json(summary.read_text(encoding="utf-8"))
    dataset = read_json(required(paths.data_folder(experiment) / "dataset.json", f"data@{experiment}"))
    profiles = load_profiles()
    evaluated = priced(read_table(paths.evaluate_table(experiment), f"evaluate@{experiment}"), profiles)
    is_own = isinstance(model, OwnModel)
    layers = OwnLayers() if is_own else layer_names(prunable_weights(build_network(model)))
    best = comparison.best(comparison.levels[-1])
    tables = {study: study_table(experiment, study) for study in studies_of(experiment)}
    studies: dict[str, Studied] = {}
    for study, table in tables.items():
        report = load_report(study)
        params = None if report.params is None else load_block(experiment, study, report.params)
        about = (params, evaluated, dataset["name"], profiles, layers, best and best.method, dataset.get("step_ms"))
        context = Context(*about, tables)
        studies[study] = Studied(report, table, report.summarize(table, context))
    judgement = judge(Evidence(comparison, dataset["name"], studies), experiment)
    timesteps = model.timesteps or int(evaluated["timesteps"].iloc[0])  # of a user's network its own
    drawn = {drawing.name: drawing.svg(one.summary) for one in studies.values() for drawing in one.report.drawings}
    svgs = drawn | {one.name: one.svg(comparison) for one in (*FIGURES, SPENT)}
    exports = None
    if experiment in read_stages().get("export", {}):
        exports = exports_section(experiment, read_table(export_table(experiment), f"export@{experiment}"))
    page = page_of(experiment, dataset, model, timesteps, comparison, studies, judgement, svgs, exports)
    folder = paths.report_folder(experiment)
    if not studies:  # the folders are outputs all the same, and git keeps no empty ones
        for name in ("studies", "metrics", "figures"):
            write_text(folder / name / "no_studies", "")
    for study, one in studies.items():
        write_json(folder / "studies" / f"{study}.json", one.summary.to_json())
        write_json(folder / "metrics" / f"{study}.json", one.summary.metrics)
        for name, part in one.summary.csv_tables.items():
            write_table(folder / "studies" / f"{study}-{name}.csv", part)
    for name, svg in drawn.items():
        write_text(folder / "figures" / f"{name}.svg", svg)
    write_json(folder / "claims.json", asdict(judgement))
    write_text(paths.report_page(experiment), render_page(page))
    write_text(folder / "report.md", render_markdown(page))
    print(f"report: {paths.report_page(experiment)}")


if __name__ == "__main__":
    run_stage(main)
