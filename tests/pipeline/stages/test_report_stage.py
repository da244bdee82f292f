"""The compare and report stages: from hand-made result files to the comparison, the summaries and the page."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from pipeline import matrix
from pipeline.export.paths import export_table
from pipeline.io import paths
from pipeline.io.files import read_json, write_json
from pipeline.io.tables import read_table, write_table
from pipeline.report.page.sections import ORDER
from pipeline.report.studies import load_report
from pipeline.stages import compare, report
from snnprune.core.errors import UserError
from tests.pipeline.report.page.parsed import Parsed
from tests.pipeline.report.tables import LEVELS, PROFILES, SEEDS, TABLES, levels_table, nets_table
from tests.pipeline.studies.made import contents

METHODS = {"cqp": 0.9, "magnitude": 0.8, "osqp": 0.7}
MISSED = {("osqp", 0.9): 17}  # synapses kept, of 20 asked
ARGUMENTS = ["tiny"]
BLOCKS = {"staleness": {"above": 0.5}, "energy": {"steps": [3], "max_loss": 0.012}}  # those that a report reads


def write_levels(method: str, seed: int, levels: Sequence[float] = LEVELS) -> None:
    """A prune stage's `levels.csv` over 200 synapses; osqp misses the target of level 0.9."""
    kept = [MISSED.get((method, level), round(200 * (1 - level))) for level in levels]
    write_table(paths.prune_folder("tiny", method, seed) / "levels.csv", levels_table(levels, kept, 200, 0.6))


def write_evaluated() -> None:
    """Accuracies fall by the level and differ by 0.01 between the seeds."""
    nets = {("dense", seed, 0.0): 0.95 for seed in SEEDS}
    nets |= {(method, seed, level): METHODS[method] for method in METHODS for seed in SEEDS for level in LEVELS}
    table = nets_table({net: best - net[2] / 10 + net[1] / 100 for net, best in nets.items()})
    write_table(paths.evaluate_table("tiny"), table)


def write_matrix(
    studies: Sequence[str] = (), methods: Sequence[str] = (*METHODS,), seeds: Sequence[int] = SEEDS, **more: dict
) -> None:
    """params.yaml with that entry in its matrix, and blocks of these studies and `more`."""
    blocks = {"methods": {method: {} for method in METHODS}, "model": {"layers": [10, 18, 8, 2], "timesteps": 6}}
    experiments = {"tiny": blocks | {study: BLOCKS.get(study, {}) for study in studies} | more}
    entry = {"methods": list(methods), "seeds": list(seeds)}
    write_json(Path("params.yaml"), {"matrix": {"tiny": entry}, "experiments": experiments})


def add_studies(*studies: str) -> None:
    """Give the experiment these studies, and no others, and their made tables."""
    write_matrix(studies)
    matrix.update()
    for study in studies:
        write_table(paths.table_file("tiny", study), TABLES[study]())


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the results of three methods and three seeds, compared."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_matrix()
        matrix.update()
        splits = {"train": {"count": 1200}, "validation": {"count": 100}, "test": {"count": 200}}
        about = {"name": "made", "about": "noisy patterns", "splits": splits}
        write_json(paths.data_folder("tiny") / "dataset.json", about)
        for seed in SEEDS:
            write_json(paths.train_folder("tiny", seed) / "metrics.json", {"loss": 0.1, "validation_accuracy": 0.97})
            for method in METHODS:
                write_levels(method, seed)
        write_evaluated()
        compare.main(ARGUMENTS)
    return folder


@pytest.fixture(autouse=True)
def prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "load_profiles", lambda: PROFILES)


def report_page() -> str:
    report.main(ARGUMENTS)
    return (paths.report_folder("tiny") / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("step_ms", "has_milliseconds"), [(30.0, True), (None, False)])
def test_recordings_have_milliseconds_where_the_data_stage_knows_them(
    step_ms: float | None, has_milliseconds: bool, project: Path
) -> None:
    add_studies("temporal")
    file = paths.data_folder("tiny") / "dataset.json"
    write_json(file, {**read_json(file), "step_ms": step_ms})
    assert ("4 to 5 of 6 steps (120 to 150 ms of 180 ms)" in Parsed(report_page()).text) is has_milliseconds


def test_the_files_of_a_comparison(project: Path) -> None:
    folder = paths.compare_folder("tiny")
    assert set(contents(folder)) == {
        "comparison.csv",
        "summary.json",
        *(f"metrics/{name}.json" for name in ("dense", *METHODS)),
        "figures/accuracy_against_energy.svg",
        "figures/accuracy_against_sparsity.svg",
        "figures/energy_by_part.svg",
        "figures/sparsity_error.svg",
    }
    with (folder / "comparison.csv").open(encoding="utf-8", newline="") as stream:
        rows = {(row["method"], row["seed"], row["level"]): row for row in csv.DictReader(stream)}
    assert len(rows) == len(SEEDS) * (1 + len(METHODS) * len(LEVELS))
    assert float(rows["cqp", "2", "0.9"]["accuracy"]) == pytest.approx(0.9 - 0.09 + 0.02)
    assert float(rows["dense", "2", "0.0"]["accuracy"]) == pytest.approx(0.97)
    assert float(rows["cqp", "2", "0.9"]["energy_pj_cheap"]) == pytest.approx(10)
    equal = {(row["method"], row["saving"]): row for row in read_json(folder / "summary.json")["equal_energy"]}
    assert equal["cqp", 0.85]["accuracy"]["mean"] == pytest.approx(0.9 - 0.085 + sum(SEEDS) / len(SEEDS) / 100)
    assert equal["cqp", 0.8]["margin"] is not None and equal["magnitude", 0.8]["margin"] is None

    summary = read_json(folder / "summary.json")
    assert (summary["seeds"], summary["synapses"]) == (list(SEEDS), 200)
    margins = {(result["method"], result["level"]): result["margin"] for result in summary["results"]}
    assert margins["cqp", 0.9]["mean"] == pytest.approx(0.1)
    assert margins["magnitude", 0.5] is None
    assert margins["osqp", 0.9] is None  # it missed the target
    assert read_json(folder / "metrics/cqp.json")["accuracy_at_0.90"] == pytest.approx(0.82)
    assert read_json(folder / "metrics/dense.json") == {"accuracy": pytest.approx(0.96)}


@pytest.mark.parametrize(
    ("block", "baseline", "rivals"),
    [
        (None, "magnitude", {"cqp", "osqp"}),
        ({"baseline": "osqp"}, "osqp", {"cqp", "magnitude"}),
        ({"baseline": None}, None, set()),
    ],
)
def test_margins_are_over_the_baseline_of_the_experiment(
    project: Path, capsys: pytest.CaptureFixture[str], block: dict | None, baseline: str | None, rivals: set[str]
) -> None:
    """All accuracies of validation are equal: the first method is the best. So are all seeds' differences on test:
    nothing can be tested."""
    write_matrix(**{} if block is None else {"compare": block})
    matrix.update()
    compare.main(ARGUMENTS)
    summary = read_json(paths.compare_folder("tiny") / "summary.json")
    assert summary["baseline"] == baseline
    assert {result["method"] for result in summary["results"] if result["margin"]} == rivals
    end = "; there is no baseline" if baseline is None else f" points over {baseline}: no difference shown."
    assert "the best by validation is cqp, with 81.20 ± 2.48 % on test" in capsys.readouterr().out
    page = report_page()
    assert end in page.split('<p class="lead">')[1].split("</p>")[0]


def test_a_baseline_that_is_no_method_of_the_experiment_is_refused(project: Path) -> None:
    write_matrix(compare={"baseline": "random"})
    with pytest.raises(
        UserError, match=r"tiny\.compare\.baseline: allowed are null and .*cqp, magnitude, osqp; found 'ra"
    ):
        compare.main(ARGUMENTS)


def test_a_method_that_empties_a_layer_is_named_in_the_log_and_on_the_page(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = read_table(paths.evaluate_table("tiny"), "evaluate@tiny")
    table.loc[(table["method"] == "cqp") & (table["level"] >= 0.95) & (table["seed"] == 0), "empty_layers"] = 1
    write_table(paths.evaluate_table("tiny"), table)
    compare.main(ARGUMENTS)
    said = capsys.readouterr().out
    assert "cqp leaves a layer without synapses at 95 %, 98 %: no rival there" in said
    assert "At 98 % sparsity the best by validation is magnitude" in said
    rows = Parsed(report_page()).cells
    at_98 = ["81.20 ± 2.48 (empty layer)", "71.20 ± 2.48", "61.20 ± 2.48", "magnitude"]
    assert [row[-1] for row in rows[:5]] == ["98 %", *at_98]
    assert [row[0] for row in rows if row[1:2] == ["98 %"]] == ["cqp (empties a layer)", "magnitude", "osqp"]


def test_only_the_methods_and_seeds_of_the_matrix_count(project: Path) -> None:
    write_levels("osqp", 7, [0.1])
    compare.main(ARGUMENTS)
    summary = read_json(paths.compare_folder("tiny") / "summary.json")
    assert summary["seeds"] == list(SEEDS)
    assert {result["level"] for result in summary["results"]} == set(LEVELS)


@pytest.mark.parametrize(
    ("stage", "missing", "maker"),
    [
        (compare, paths.train_folder("tiny", 1) / "metrics.json", "train@tiny-1"),
        (compare, paths.prune_folder("tiny", "cqp", 1) / "levels.csv", "prune@tiny-cqp-1"),
        (compare, paths.evaluate_table("tiny"), "evaluate@tiny"),
        (report, paths.evaluate_table("tiny"), "evaluate@tiny"),
        (report, paths.compare_folder("tiny") / "summary.json", "compare@tiny"),
        (report, paths.data_folder("tiny") / "dataset.json", "data@tiny"),
        (report, paths.table_file("tiny", "sweep"), "study@tiny-sweep"),
        (report, export_table("tiny"), "export@tiny"),
    ],
)
def test_a_missing_result_names_the_stage_that_makes_it(
    project: Path, stage: ModuleType, missing: Path, maker: str
) -> None:
    add_studies("sweep")
    write_matrix(["sweep"], export={})
    matrix.update()
    missing.unlink(missing_ok=True)
    with pytest.raises(UserError, match=f"{missing}: no such file; stage {maker} makes it"):
        stage.main(ARGUMENTS)
    assert not paths.report_folder("tiny").exists()


@pytest.mark.parametrize(("methods", "seeds"), [(METHODS, [0]), (METHODS, [0, 1, 2, 4]), (["cqp"], SEEDS)])
def test_a_matrix_yaml_that_is_out_of_date_is_an_error(
    project: Path, methods: Sequence[str], seeds: Sequence[int]
) -> None:
    write_matrix(methods=methods, seeds=seeds)
    with pytest.raises(UserError, match=r"matrix\.yaml does not fit matrix\.tiny .*: python -m pipeline\.matrix$"):
        compare.main(ARGUMENTS)


def test_the_page_has_what_was_run_and_every_method_and_level(project: Path) -> None:
    page = report_page()
    rows = Parsed(page).cells
    levels = [f"{100 * level:g} %" for level in LEVELS]
    at_90 = 1 + levels.index("90 %")
    assert rows[0] == rows[5] == ["method", *levels]
    assert [row[0] for row in rows[1:5]] == [*METHODS, "best by validation"]
    assert (rows[3][at_90], rows[4][at_90]) == ("62.00 ± 2.48 at 91.5 %", "cqp, no difference shown")
    assert [(row[0], row[at_90]) for row in rows[6:8]] == [("cqp", "+10.00 ± 0.00"), ("osqp", "-")]
    (header,) = [place for place, row in enumerate(rows) if row[:2] == ["method", "sparsity"]]
    every = rows[header + 1 :][: 1 + len(METHODS) * len(LEVELS)]
    wanted = [["dense", "0 %"], *([method, level] for method in METHODS for level in levels)]
    wanted[wanted.index(["osqp", "90 %"])][1] = "91.5 % (90 % asked)"
    assert [row[:2] for row in every] == wanted
    assert page.count("<img") == page.count("<figure>") == 4
    for text in (
        "1,200 train, 100 validation, 200 test; noisy patterns",
        "10-18-8-2, 200 prunable synapses, 6 time steps",
    ):
        assert text in page
    assert "3 (0, 1, 2), protocol fair" in page


def test_the_claims_are_judged_beside_the_page(project: Path) -> None:
    report.main(ARGUMENTS)
    for name in ("figures", "metrics", "studies"):  # outputs, which a clone must have, too
        assert contents(paths.report_folder("tiny") / name) == {"no_studies": b""}
    found = read_json(paths.report_folder("tiny") / "claims.json")
    first = found["claims"][0]
    assert (first["id"], first["verdict"]) == ("cqp_at_90", "reproduced")
    (margin,) = (condition["fair"] for condition in first["conditions"])
    assert (margin["mean"], margin["outcome"]) == (pytest.approx(10.0), "holds")
    assert found["verdicts"]["not measured"] == len(found["claims"]) - 1


def test_every_study_is_reported(project: Path) -> None:
    """Its figures once, its findings, files and metrics; the page in order; the same bytes again."""
    add_studies(*TABLES)
    page = report_page()
    folder = paths.report_folder("tiny")
    drawings = {study: [drawing.name for drawing in load_report(study).drawings] for study in TABLES}
    first = contents(folder)
    assert set(first) == {
        "index.html",
        "report.md",
        "claims.json",
        *(f"{kind}/{study}.json" for study in TABLES for kind in ("studies", "metrics")),
        *(f"figures/{name}.svg" for names in drawings.values() for name in names),
        "studies/energy-grid.csv",
        "studies/energy-front.csv",
    }
    assert [name for name in re.findall('<section id="(\\w+)"', page) if name in TABLES] == list(ORDER)
    assert page.count("<img") == page.count("<figure>") == 4 + sum(map(len, drawings.values()))
    for study in TABLES:
        part = page.split(f'<section id="{study}"')[1].split("</section>")[0]
        assert part.count("<figure>") == len(drawings[study])
        assert f"<code>dvc repro study@tiny-{study}</code>" in part
        summary = json.loads(first[f"studies/{study}.json"])
        assert part.count("<li>") == len(summary["findings"])
        assert json.loads(first[f"metrics/{study}.json"]) == summary["metrics"]
    parsed = Parsed(page)
    assert parsed.referred <= set(parsed.ids)
    assert not [file for file in parsed.files if not (folder / file).is_file()]
    report.main(ARGUMENTS)
    assert contents(folder) == first


def test_exports_have_a_section_with_bytes_and_other_decisions(project: Path) -> None:
    write_matrix(export={"targets": ["c", "onnx"], "nets": ["cqp@0.90"]})
    matrix.update()
    run = [{"samples": 200, "decisions": seed, "counts": 5, "accuracy": 0.8} for seed in SEEDS]
    rows = [
        {"net": f"cqp@0.90/seed{seed}", "target": target, "bytes": 5000, "net_bytes": held, **more}
        for seed in SEEDS
        for target, held, more in (("c", 1500, run[seed]), ("onnx", None, {}))
    ]
    write_table(export_table("tiny"), rows)
    page = Parsed(report_page())
    assert [row for row in page.cells if row[0] == "cqp@0.90" and row[1] in ("c", "onnx")] == [
        ["cqp@0.90", "c", "1.50 ± 0.00", "5.00 ± 0.00", "3 of 600", "15 of 600", "80.00 ± 0.00"],
        ["cqp@0.90", "onnx", "-", "5.00 ± 0.00", "not run", "not run", "-"],
    ]
    assert "../export/table.csv" in page.files
    assert page.referred <= set(page.ids)
    write_matrix()
    matrix.update()
    assert "Exports" not in Parsed(report_page()).text  # its table is still there


def test_a_study_taken_out_leaves_the_page_although_its_files_are_still_there(project: Path) -> None:
    add_studies("layers", "alpha")
    add_studies("layers")
    page = report_page()
    assert '<section id="layers"' in page
    assert '<section id="alpha"' not in page
    assert page.count("<figure>") == 4 + 1  # of the comparison, and of the study
