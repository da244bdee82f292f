"""Result files that do not read: a line each says where and what to do, and all else is logged."""

from pathlib import Path

import pytest

from tests.flows.conftest import dvc
from tests.flows.tracking.conftest import STAGES, log

RESULTS = Path("results/tiny")
WAYS = "restore the file with git, or make it again: snnprune run tiny"


def left_out(project: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """By its address, why a result is left out when all are logged; all others are."""
    capsys.readouterr()
    tracking = log(project)
    lines = [line for line in capsys.readouterr().out.splitlines() if " is left out: " in line]
    assert (tracking.counts["logged"], tracking.counts["left out"]) == (len(STAGES) - len(lines), len(lines))
    return dict(line.removeprefix("tracking: ").split(" is left out: ") for line in lines)


def test_a_table_that_was_edited(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = project / RESULTS / "evaluate/levels.csv"
    with table.open("a") as file:
        file.write("edited\n")
    assert left_out(project, capsys) == {
        "evaluate@tiny": f"{table}, line 7: expected 13 cells; found 1; {WAYS}",
    }


def test_tables_that_dvc_lock_names_as_they_are(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curve, levels = project / RESULTS / "train/seed0/curve.csv", project / RESULTS / "prune/cqp/seed0/levels.csv"
    counts = project / RESULTS / "evaluate/levels.csv"
    curve.write_text("epoch,loss\n1,0.5\nlast,0.4\n")
    levels.write_text("level,sparsity\n0.5,0.5\n")
    counts.write_text(counts.read_text().replace("dense,0,0,0,0.9,0.9,0.9,9,", "dense,0,0,0,0.9,0.9,0.9,many,"))
    dvc(project, "commit", "-fq", "train@tiny-0", "prune@tiny-cqp-0", "evaluate@tiny")
    assert left_out(project, capsys) == {
        "train@tiny-0": f"{curve}, line 3: epoch: expected a number; found 'last'; {WAYS}",
        "prune@tiny-cqp-0": f"{levels}, line 1: no column validation_accuracy; {WAYS}",
        "evaluate@tiny": f"{counts}, line 2: effective_macs: expected a number; found 'many'; {WAYS}",
    }


def test_what_is_said_of_the_dataset(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    about = project / RESULTS / "data/dataset.json"
    about.write_text(about.read_text() + "edited\n")
    found = left_out(project, capsys)
    assert found.pop("data@tiny") == f"{about} differs from what dvc.lock names"
    assert found.keys() == {"train@tiny-0", "prune@tiny-cqp-0", "prune@tiny-magnitude-0", "evaluate@tiny"}
    for reason in found.values():
        assert reason.startswith(f"{about}: Extra data: line 1 column ") and reason.endswith(f"; {WAYS}")
