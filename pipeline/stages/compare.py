"""Stage compare: all methods, levels and seeds of one experiment in one table, with statistics and figures."""

from collections.abc import Sequence

from pipeline.io import paths
from pipeline.io.entry import experiment_parser, required, run_stage
from pipeline.io.files import read_json, write_json, write_text
from pipeline.io.finished import levels_of
from pipeline.io.matrix_file import require_current
from pipeline.io.params import load_block, load_matrix, read_params
from pipeline.io.tables import read_table, write_table
from pipeline.pricing import priced
from pipeline.report.comparison.figures import FIGURES, SPENT
from pipeline.report.comparison.params import CompareParams, baseline_of
from pipeline.report.comparison.summary import headlines, summarize, tidy_table, to_json
from pipeline.report.comparison.tables import best_text
from pipeline.report.words import percent
from snnprune.energy.profiles import load_profiles


def main(argv: Sequence[str] | None = None) -> None:
    """Write `comparison.csv`, `summary.json`, the metrics and the figures. Raises UserError: the
    experiment's entry in the matrix or a result is missing or not as allowed, the methods' results do not fit together,
    or matrix.yaml is out of date."""
    experiment = experiment_parser("Compare all methods of one experiment.").parse_args(argv).experiment
    matrix = load_matrix(experiment)
    require_current(experiment, matrix)
    dense = {
        seed: read_json(required(paths.train_folder(experiment, seed) / "metrics.json", f"train@{experiment}-{seed}"))
        for seed in matrix.seeds
    }
    levels = {(method, seed): levels_of(experiment, method, seed) for method in matrix.methods for seed in matrix.seeds}
    profiles = load_profiles()
    evaluated = priced(read_table(paths.evaluate_table(experiment), f"evaluate@{experiment}"), profiles)
    table = tidy_table(experiment, dense, levels, evaluated)
    has_block = "compare" in read_params()["experiments"][experiment]
    params = load_block(experiment, "compare", CompareParams) if has_block else None
    is_one = any(metrics.get("one_dense_net") for metrics in dense.values())
    baseline = baseline_of(experiment, params, matrix.methods)
    summary = summarize(table, baseline, one_dense_net=is_one, profiles=profiles)
    folder = paths.compare_folder(experiment)
    write_table(folder / "comparison.csv", table)
    write_json(folder / "summary.json", to_json(summary))
    for method, means in headlines(summary).items():
        write_json(folder / "metrics" / f"{method}.json", means)
    for figure in (*FIGURES, SPENT):
        write_text(folder / "figures" / f"{figure.name}.svg", figure.svg(summary))
    print(f"compared {len(matrix.methods)} methods over {len(matrix.seeds)} seeds: {len(table)} rows")
    for method, rows in summary.by_method.items():
        if emptied := [percent(one.level) for one in rows.itertuples() if one.empty_layers]:
            print(f"{method} leaves a layer without synapses at {', '.join(emptied)}: no rival there")
    print(best_text(summary, summary.levels[-1]))


if __name__ == "__main__":
    run_stage(main)
