"""The two ends of a run: the pipeline that it takes, and the comparison table, as text or Markdown."""

from collections.abc import Callable
from pathlib import Path

from flows.graph import Pipeline, UnknownTarget
from flows.tracking import SHOW
from pipeline import matrix
from pipeline.io.params import PARAMS_FILE
from pipeline.io.paths import compare_folder, report_folder

LAST_STAGE = "track"


def open_pipeline(say: Callable[[str], None]) -> Pipeline:
    """The pipeline of the current folder, once matrix.yaml fits params.yaml; `say` is told when it did not.

    Raises:
        ParamsError: params.yaml's matrix or outline holds something that is not allowed.
        PipelineError: this is no DVC project.
    """
    if matrix.update():
        say(f"{matrix.MATRIX_FILE} brought up to date with {PARAMS_FILE}")
    return Pipeline(Path.cwd())


def target_of(experiment: str, pipeline: Pipeline) -> str:
    """The address of the stage that needs all others of an experiment.

    Raises:
        UnknownTarget: the matrix has no such experiment; the message lists those it has.
        PipelineError: DVC cannot read the project.
    """
    target = f"{LAST_STAGE}@{experiment}"
    addresses = pipeline.addresses()
    if target not in addresses:
        names = [address.partition("@")[2] for address in addresses if address.startswith(f"{LAST_STAGE}@")]
        raise UnknownTarget(f"no experiment {experiment!r}; the matrix in params.yaml has: {', '.join(names)}")
    return target


def validate_params() -> None:
    """Check params.yaml as a whole (raises pipeline.io.params.ParamsError); it takes seconds, for it imports torch."""
    from pipeline.experiments import validate_params as validate

    validate()


def report_page(experiment: str) -> Path:
    """The experiment's page, relative to the project."""
    return report_folder(experiment) / "index.html"


def comparison_text(experiment: str) -> str:
    """The table for a terminal, with where to look next."""
    from pipeline.report.comparison.summary import from_json
    from pipeline.report.comparison.tables import render_text

    table = render_text(from_json((compare_folder(experiment) / "summary.json").read_text(encoding="utf-8")))
    return f"\n{table}\n\nreport: {report_page(experiment)}\nMLflow: {SHOW}"


def comparison_markdown(experiment: str) -> str:
    """The table for Prefect's pages, with where to look next."""
    from pipeline.report.comparison.summary import from_json
    from pipeline.report.comparison.tables import render_markdown

    table = render_markdown(from_json((compare_folder(experiment) / "summary.json").read_text(encoding="utf-8")))
    return f"{table}\n\n- report: `{report_page(experiment)}`\n- MLflow: `{SHOW}`\n"
