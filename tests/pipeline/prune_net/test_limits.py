"""Limits on the command line of `snnprune prune`."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch

from flows import cli
from snnprune.adapters.module_file import build_from

COMMAND = ["my_nets.py:build", "--checkpoint", "my.pt", "--data", "idx:mnist", "--out", "pruned", "--epochs", "1"]


def prune(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """The exit code of the command in this process."""
    monkeypatch.setattr(sys, "argv", ["snnprune", "prune", *COMMAND, *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_a_budget_and_a_structure(user: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """The last level is within the budget, and its state dict in the user's class keeps to the structure."""
    assert prune(monkeypatch, "--max-operations", "1500", "--fan-in", "40", "--pattern", "2:4") == 0
    assert "\nof a training sample, at the end: " in (said := capsys.readouterr().out) and "warning" not in said
    found = json.loads((user / "pruned/results.json").read_text())
    limits, last = found["limits"], found["levels"][-1]
    assert (limits["max_operations"], limits["fan_in"], limits["pattern"]) == (1500, 40, [2, 4])
    assert limits["achieved"]["within"] and 0 < limits["achieved"]["operations"] <= 1500
    assert limits["achieved"]["nnz"] == last["nnz"]
    (name,) = [path for path in (user / "pruned").glob("level-*.pt") if float(path.stem[6:]) == last["level"]]
    net = build_from("my_nets.py:build")
    net.load_state_dict(torch.load(name, weights_only=True), strict=True)
    for layer in (net.fc1, net.fc2):
        kept = layer.weight != 0
        assert kept.sum(1).max() <= 40
        assert kept.unflatten(1, (-1, 4)).sum(2).max() <= 2


def test_a_budget_of_bytes_says_what_an_export_adds(user: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """CSR arrays come within the budget and the bytes that the last line adds to it."""
    assert prune(monkeypatch, "--max-bytes", "9000") == 0
    assert "export --to csr adds biases and neurons' constants: at most 1,320 bytes\n" in capsys.readouterr().out
    (name,) = (user / "pruned").glob("level-*.pt")
    monkeypatch.setattr(sys, "argv", ["snnprune", "export", str(name), "--to", "csr"])
    with pytest.raises(SystemExit):
        cli.main()
    written = int(re.search(r"([\d,]+) array bytes", capsys.readouterr().out)[1].replace(",", ""))
    assert 9000 < written <= 9000 + 1320


def test_levels_within_a_structure(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prune(monkeypatch, "--levels", "0.9", "0.95", "--fan-in", "100", "--method", "magnitude") == 0
    found = json.loads((user / "pruned/results.json").read_text())
    assert [row["nnz"] for row in found["levels"]] == [7940, 3970]
    assert found["limits"]["achieved"]["within"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pattern", "2/4"], "pattern: expected two whole numbers, such as 2:4; found '2/4'"),
        (["--pattern", "4:2"], "options: pattern: n must be smaller than m"),
        (["--max-bytes", "100"], "max_bytes: found 100; the least that is possible is 453, with one synapse"),
        (["--max-bytes", "9000", "--levels", "0.9"], "level: cannot be given with max_bytes"),
        (["--fan-in", "9", "--method", "osqp"], "method: limits need one that gives every synapse a score"),
    ],
)
def test_what_cannot_be_is_said(
    user: Path, monkeypatch: pytest.MonkeyPatch, capsys, options: list[str], message: str
) -> None:
    assert prune(monkeypatch, *options) == 1
    assert message in capsys.readouterr().err
    assert not (user / "pruned").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-bytes", "9000", "--levels", "0.9"], "level: cannot be given with max_bytes: .*; found both"),
        (["--neurons"], "neurons: how many go is said by a level or a budget; found neither"),
        (
            ["--method", "cqp_gradual", "--max-bytes", "9000"],
            "method: a budget, .*: give a level, .*, or another method",
        ),
        (["--pattern", "4:2"], r"options: pattern: n must be smaller than m, such as \[2, 4\]; found \[4, 2\]"),
        (["--per-cost"], "options: per_cost: it is how a budget is filled; found none, such as max_operations"),
        (["--max-bytes", "9", "--max-operations", "9"], "options: give one budget; found max_bytes, max_operations"),
        (["--lr", "-1", "--epochs", "0"], "options.finetune.lr: Input should be greater than 0; found -1.0"),
    ],
)
def test_what_fits_no_network_is_said_before_it_is_read(
    user: Path, monkeypatch: pytest.MonkeyPatch, capsys, options: list[str], message: str
) -> None:
    (user / "my_nets.py").unlink()
    assert prune(monkeypatch, *options) == 1
    assert re.fullmatch(f"error: {message}\n", capsys.readouterr().err)


@pytest.mark.parametrize(("option", "value"), [("--levels", "0.9,0.95"), ("--max-bytes", "50k"), ("--fan-in", "x")])
def test_what_is_no_number_is_shown(monkeypatch: pytest.MonkeyPatch, capsys, option: str, value: str) -> None:
    assert prune(monkeypatch, option, value) == 2
    assert re.search(f"Invalid value for '{option}': .*; found '{value}'", capsys.readouterr().err)
