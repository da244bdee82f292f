"""The workflow of docs/ci-report.yml: GitHub Actions takes it, and its comparison runs."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.imports import PROJECT
from tests.tiny import commit, run

WORKFLOW = PROJECT / "docs/ci-report.yml"
TABLE = Path("results/digits/compare/comparison.csv")


def check(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_is_a_workflow_by_github_s_schema(tmp_path: Path) -> None:
    done = check(WORKFLOW)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOW.read_text().replace("timeout-minutes: 20", "timeout: 20"))
    assert check(wrong).returncode == 1


@pytest.mark.parametrize("shift", [0.0, 0.01])
def test_its_comparison_holds_what_the_branch_changed_and_not_what_the_base_did_meanwhile(
    tmp_path: Path, shift: float
) -> None:
    """The table changes on the branch by `shift`; the base moves on with another change."""
    folder, tools = tmp_path / "repository", tmp_path / "tools"
    tools.mkdir()
    (tools / "snnprune").write_text(f'#!/bin/sh\nexec {sys.executable} -m flows.cli "$@"\n')
    (tools / "snnprune").chmod(0o755)
    (folder / TABLE).parent.mkdir(parents=True)
    table = pd.read_csv(PROJECT / TABLE)
    table.to_csv(folder / TABLE, index=False)
    for name in ("params.yaml", "dvc.yaml"):
        (folder / name).touch()
    run(folder, "git", "init", "-q", "-b", "main")
    commit(folder)
    run(folder, "git", "checkout", "-q", "-b", "branch")
    (folder / "note").touch()
    table.assign(accuracy=table["accuracy"] + shift).to_csv(folder / TABLE, index=False)
    commit(folder)
    run(folder, "git", "checkout", "-q", "main")
    table.assign(accuracy=table["accuracy"] - 0.1).to_csv(folder / TABLE, index=False)
    commit(folder)
    base = run(folder, "git", "rev-parse", "HEAD").strip()
    run(folder, "git", "checkout", "-q", "branch")

    steps = YAML(typ="safe").load(WORKFLOW)["jobs"]["report"]["steps"]
    (compare,) = [step for step in steps if "snnprune" in step.get("run", "")]
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(PROJECT), "BASE": base}
    subprocess.run(["bash", "-e", "-c", compare["run"]], cwd=folder, env=environment, check=True)
    report = (folder / "report.md").read_text()
    if shift:
        nets, seeds = table.groupby(["method", "level"]).ngroups, table["seed"].nunique()
        assert f"- test accuracy of {nets} of {nets} nets differs, of {nets} by more than its interval" in report
        assert f"| **+1.00 ± 0.00** | {seeds} |" in report
    else:
        assert report.startswith("No result differs between ") and report.count("\n") == 1
