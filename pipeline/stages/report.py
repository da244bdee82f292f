"""Stage report: one experiment's comparison as a page."""

from collections.abc import Sequence

from pipeline import paths
from pipeline.analysis.tables import HEADER, caption, cells
from pipeline.files import read_json, write_text
from pipeline.report.page import PageFigure, render_page
from pipeline.stages.entry import experiment_parser, required, run_stage

FIGURES = {
    "accuracy_against_sparsity.svg": "Test accuracy of every method as synapses are removed; bars are 95 % intervals.",
    "sparsity_error.svg": "Exact selection sits on zero at every level; rounding a relaxed mask misses its target.",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Write `index.html`.

    Raises:
        UserError: the comparison is missing.
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
    page = paths.report_folder(experiment) / "index.html"
    write_text(page, render_page(experiment, caption(summary), HEADER, cells(summary), figures))
    print(f"report: {page}")


if __name__ == "__main__":
    run_stage(main)
