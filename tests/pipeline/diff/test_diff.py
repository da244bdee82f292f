"""`snnprune diff` on a real repository: revisions, the working tree, Markdown, and what is wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipeline.diff.changes import Changes
from pipeline.diff.diff import diff
from pipeline.diff.markdown import FOLD, render
from snnprune.core.errors import UserError
from tests.imports import PROJECT
from tests.tiny import commit, run

COMPARE = Path("results/digits/compare")
TABLE, SUMMARY, CLAIMS = COMPARE / "comparison.csv", COMPARE / "summary.json", Path("results/digits/report/claims.json")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project in a folder of a repository, with committed results of digits, three methods and three seeds of them,
    and a fourth method `random`, a copy of the third; tagged v1."""
    root = tmp_path / "repository/project"
    for file in (TABLE, SUMMARY, CLAIMS):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / file, root / file)
    edit(root / TABLE, chosen)
    judge(root / CLAIMS, "not reproduced")
    run(root.parent, "git", "init", "-q")
    commit(root.parent)
    run(root, "git", "tag", "v1")
    return root


def chosen(table: pd.DataFrame) -> pd.DataFrame:
    some = table[table["method"].isin(["dense", "cqp", "cqp_gradual", "magnitude"]) & (table["seed"] < 3)]
    return pd.concat([some, some[some["method"] == "magnitude"].assign(method="random")])


def edit(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_csv(path)).to_csv(path, index=False)


def judge(path: Path, verdict: str) -> None:
    claims = json.loads(path.read_text())
    claims["claims"][0]["verdict"] = verdict
    path.write_text(json.dumps(claims))


def shifted(table: pd.DataFrame) -> pd.DataFrame:
    """cqp at 90 % gains a point with every seed, and takes a tenth less energy."""
    of_net = (table["method"] == "cqp") & (table["level"] == 0.9)
    table.loc[of_net, "accuracy"] += 0.01
    table.loc[of_net, [name for name in table if name.startswith("energy_once")]] *= 0.9
    return table


def test_nothing_changed_is_one_line(repository: Path) -> None:
    line = "No result differs between `v1` and the working tree: digits (17 nets).\n"
    assert diff(repository, "v1") == diff(repository, "v1", "digits") == line
    assert diff(repository, "v1", "HEAD") == line.replace("the working tree", "`HEAD`")


def test_what_changed_is_a_comment_for_a_pull_request(repository: Path) -> None:
    table = pd.read_csv(repository / TABLE)
    edit(repository / TABLE, shifted)
    judge(repository / CLAIMS, "reproduced")
    text = diff(repository, "v1")
    lines = text.splitlines()
    assert lines[0] == "## Results: `v1` → the working tree"
    assert "### digits" in lines
    assert "- test accuracy of 1 of 17 nets differs, of 1 by more than its interval" in lines
    (claim,) = [line for line in lines if line.startswith("| cqp_at_90: ")]
    assert claim.endswith("| not reproduced | reproduced |")
    rows = [line for line in lines if line.startswith("| cqp@0.90 |")]
    profiles = sum(name.startswith("energy_once") for name in table)
    assert len(rows) == 2 + profiles  # accuracy, margin, energy on each
    before, now, difference, seeds = (cell.strip() for cell in rows[0].split("|")[2:-1])
    accuracy = table.query("method == 'cqp' and level == 0.9")["accuracy"].mean()
    assert before.startswith(f"{100 * accuracy:.2f} ± ") and now.startswith(f"{100 * accuracy + 1:.2f} ± ")
    assert (difference, seeds) == ("**+1.00 ± 0.00**", "3")
    assert "| **+1.00 ± 0.00** |" in rows[1]
    assert all("| **-10.00 ± " in row for row in rows[2:])
    assert lines[-1].startswith("<sub>± is half the 95 % t-interval")
    commit(repository)
    assert diff(repository, "v1", "HEAD") == text.replace("the working tree", "`HEAD`")
    backwards = diff(repository, "HEAD", "v1")
    assert "**-1.00 ± 0.00**" in backwards and "| reproduced | not reproduced |" in backwards


def test_other_seeds_are_not_paired_and_it_says_so(repository: Path) -> None:
    edit(repository / TABLE, lambda table: shifted(table).assign(seed=table["seed"] + 10))
    lines = diff(repository, "v1").splitlines()
    assert "- seeds: 0, 1, 2 before, 10, 11, 12 now" in lines
    row = next(line for line in lines if line.startswith("| cqp@0.90 |"))
    assert row.endswith("| +1.00 | not paired (3 and 3 others) |")


def test_a_part_of_the_seeds_is_paired_and_it_says_so(repository: Path) -> None:
    edit(repository / TABLE, lambda table: shifted(table)[table["seed"] < 2])
    row = next(line for line in diff(repository, "v1").splitlines() if line.startswith("| cqp@0.90 |"))
    assert row.endswith("| **+1.00 ± 0.00** | 2 of 3 and 2 |")


def test_long_tables_are_folded_and_what_came_and_went_is_listed(repository: Path) -> None:
    edit(repository / TABLE, lambda table: table.assign(accuracy=table["accuracy"] - 0.01).query("level != 0.98"))
    text = diff(repository, "v1")
    assert f"<details><summary><b>Test accuracy, %</b>: {FOLD + 1} rows</summary>\n\n| net |" in text
    removed = next(line for line in text.splitlines() if line.startswith("- removed: "))
    nets = removed.removeprefix("- removed: ").split(", ")
    assert sorted(nets) == ["cqp@0.98", "cqp_gradual@0.98", "magnitude@0.98", "random@0.98"]
    assert "**Margin" not in text  # all lost the same


def test_an_experiment_that_is_new_or_removed(repository: Path) -> None:
    shutil.copytree(repository / "results/digits", repository / "results/other")
    assert "### other\n\nThe experiment is new.\n\nNothing differs in digits.\n" in diff(repository, "v1")
    shutil.rmtree(repository / "results/digits")
    text = diff(repository, "v1", None, "digits")
    assert text == "## Results: `v1` → the working tree\n\n### digits\n\nThe experiment is removed.\n"


def test_a_name_that_is_a_revision_and_an_experiment_is_the_revision(repository: Path) -> None:
    run(repository, "git", "tag", "digits")
    assert "between `v1` and `digits`" in diff(repository, "v1", "digits")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "git knows no revision 'nope'"),
        (("--all",), "git knows no revision '--all'"),
        (("v1", "nope"), "'nope' is neither a git revision nor an experiment with results .digits."),
        (("v1", None, "nope"), "no results of 'nope' on either side; there are: digits"),
    ],
)
def test_a_wrong_name_is_an_error(repository: Path, arguments: tuple, message: str) -> None:
    with pytest.raises(UserError, match=message):
        diff(repository, *arguments)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (TABLE, "method,level\ncqp,0.9\n", "comparison.csv in the working tree: no column accuracy, seed"),
        (TABLE, "", "comparison.csv in the working tree: not readable"),
        (CLAIMS, "{", "claims.json in the working tree: not readable"),
    ],
)
def test_a_damaged_file_is_named(repository: Path, file: Path, text: str, message: str) -> None:
    (repository / file).write_text(text)
    with pytest.raises(UserError, match=message):
        diff(repository, "v1")


def test_without_a_repository_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="git knows no revision 'HEAD'"):
        diff(tmp_path, "HEAD")


def test_without_results_it_says_so() -> None:
    assert render("`a`", "`b`", []) == "No result differs between `a` and `b`: there are none.\n"
    assert "digits (1 net)" in render("`a`", "`b`", [Changes("digits", compared=1)])
