"""`dvc exp run -S` on one experiment's target, and the README's commands that then compare: readable, and true."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.tiny import METHODS, make_repository, run, tiny_params, write_params

pytestmark = pytest.mark.slow

LR = "experiments.digits.prune.finetune.lr"
METRICS = "results/digits/compare/metrics"
SHOW = ("exp", "show", "--hide-workspace", "--only-changed", "--drop", "(?!Exp|exp)")
KEEP = ("--keep", f"{METRICS}/.*_0.90$")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods and one seed; a run with the learning rate of params.yaml is committed, a second has another one."""
    root = make_repository(tmp_path_factory.mktemp("experiments") / "repository")
    write_params(root, tiny_params(seeds=[0], studies=()))
    run(root, "dvc", "repro", "--quiet", "compare@digits")
    run(root, "git", "add", ".")
    run(root, "git", "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "--quiet", "-m", "results")
    printed = run(root, "dvc", "exp", "run", "--name", "lr-0.01", "--set-param", f"{LR}=0.01", "compare@digits")
    assert "Stage 'train@digits-0' didn't change, skipping" in printed
    assert "Running stage 'prune@digits-cqp-0'" in printed
    return root


def committed(root: Path) -> float:
    """CQP's accuracy at 90 % before the second run."""
    return json.loads(run(root, "git", "show", f"HEAD:{METRICS}/cqp.json"))["accuracy_at_0.90"]


def applied(root: Path) -> float:
    """The same of the second run, whose results DVC leaves in the workspace."""
    return json.loads((root / METRICS / "cqp.json").read_text(encoding="utf-8"))["accuracy_at_0.90"]


def test_exp_show_has_a_column_for_what_was_set_and_one_a_method(repository: Path) -> None:
    table = list(csv.DictReader(io.StringIO(run(repository, "dvc", *SHOW, *KEEP, "--csv"))))
    shown, other = (f"{METRICS}/{method}.json:accuracy_at_0.90" for method in METHODS)
    assert {shown, other, LR} == set(table[0]) - {"Experiment", "rev", "typ", "parent"}
    assert [row["Experiment"] for row in table] == ["", "lr-0.01"]
    assert [float(row[LR]) for row in table] == [0.002, 0.01]
    expected = [committed(repository), applied(repository)]
    assert expected[0] != expected[1]
    assert [float(row[shown]) for row in table] == pytest.approx(expected)


def test_metrics_diff_tells_the_change_by_method_and_level(repository: Path) -> None:
    printed = run(repository, "dvc", "metrics", "diff", "HEAD", "--json", "--targets", METRICS)
    changed = json.loads(printed)[f"{METRICS}/cqp.json"]
    assert changed.keys() == {"accuracy_at_0.50", "accuracy_at_0.90"}
    assert changed["accuracy_at_0.90"]["new"] == applied(repository)
    assert changed["accuracy_at_0.90"]["old"] == committed(repository)


def test_metrics_show_is_a_line_a_method_and_a_column_a_level(repository: Path) -> None:
    header, *lines = run(repository, "dvc", "metrics", "show", METRICS).splitlines()
    assert header.split() == ["Path", "accuracy", "accuracy_at_0.50", "accuracy_at_0.90"]
    assert [line.split()[0] for line in lines] == [f"{METRICS}/{name}.json" for name in ("cqp", "dense", "magnitude")]
