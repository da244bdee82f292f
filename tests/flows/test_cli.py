"""The command `snnprune` in a project: what it hands on, what it lists, how it refuses."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flows import cli
from flows.engine.stop import Interrupted
from pipeline import listing
from pipeline.promotion.params import PromotionParams
from snnprune.core.errors import UserError
from snnprune.pruning.registry import available
from tests.imports import PROJECT


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(sys, "argv", ["snnprune", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "function", "expected"),
    [
        (
            ["run", "digits"],
            "flows.run.run",
            (("digits",), {"workers": None, "prefect": False, "dask": None, "promote": None}),
        ),
        (
            ["run", "mnist", "--workers", "3", "--prefect", "--dask", "tcp://x:1", "--promote", "level=0.9"],
            "flows.run.run",
            (("mnist",), {"workers": 3, "prefect": True, "dask": "tcp://x:1", "promote": "level=0.9"}),
        ),
        (["plan", "digits"], "flows.run.plan", (("digits",), {})),
        (["track"], "flows.tracking.replay.track", ((None,), {})),
        (["track", "digits"], "flows.tracking.replay.track", (("digits",), {})),
        (["diff", "main"], "pipeline.diff.diff.diff", ((PROJECT, "main", None, None), {})),
        (["diff", "main", "v2", "digits"], "pipeline.diff.diff.diff", ((PROJECT, "main", "v2", "digits"), {})),
        (["push"], "flows.sharing.share.push", ((None,), {})),
        (["pull", "digits"], "flows.sharing.share.pull", (("digits",), {})),
        (["clean", "--yes"], "flows.retention.clean.clean", ((), {"yes": True})),
        (["ui", "--port", "5001"], "flows.tracking.ui.open_ui", ((5001,), {})),
        (
            ["promote", "digits", "--max-energy", "10%", "--delta", "0.01"],
            "flows.registry.promote.promote",
            (("digits", PromotionParams(max_energy="10%", delta=0.01)), {}),
        ),
        (["promote", "--pending"], "flows.registry.promote.carry_out_kept", ((), {})),
        (["serve"], "flows.registry.serve.serve", ((None, "champion", 5001), {})),
        (["deploy"], "flows.scheduled.deploy.deploy", ((4200,), {})),
    ],
)
def test_a_subcommand_calls_its_function(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], function: str, expected: tuple[tuple, dict]
) -> None:
    calls = []
    monkeypatch.setattr(function, lambda *args, **kwargs: calls.append((args, kwargs)) or True)
    assert command(monkeypatch, *arguments) == 0
    assert calls == [expected]


def test_track_fails_where_mlflow_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.tracking.replay.track", lambda experiment: False)
    assert command(monkeypatch, "track") == 1


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("what to do"), 1, "error: what to do\n"),
        (Interrupted(signal.SIGINT), 130, "interrupted; the same command goes on from here\n"),
    ],
)
def test_what_a_user_can_put_right_is_a_line(monkeypatch, capsys, error: BaseException, code: int, line: str) -> None:
    def end(experiment: str) -> None:
        raise error

    monkeypatch.setattr("flows.run.plan", end)
    assert command(monkeypatch, "plan", "digits") == code
    assert capsys.readouterr().err == line


def test_the_table_is_printed_whatever_the_encoding(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what a stage prints is read as UTF-8, so that is what it writes."""
    (project / "results/tiny/compare/summary.json").unlink()
    with (project / "stage.py").open("a") as stage:
        stage.write("print('1 ± 2', flush=True)\n")
    code = (
        "import flows.run as run; from flows import cli; import sys; sys.argv[1:] = ['run', 'tiny'];"
        "run.validate_params = lambda: None; run.comparison = lambda name: '1 ± 2'; cli.main()"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "\n\n1 +/- 2\n" in done.stdout
    assert (project / "logs/data@tiny.log").read_text(encoding="utf-8").endswith("1 ± 2\n")


def test_a_wrong_option_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(monkeypatch, "run", "digits", "--workers", "0") == 2
    assert "--workers" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["promote"], ["promote", "digits", "--pending"]])
def test_promote_takes_an_experiment_or_what_is_pending(monkeypatch, capsys, arguments: list[str]) -> None:
    assert command(monkeypatch, *arguments) == 1
    assert capsys.readouterr().err == "error: promote: name an experiment, or say --pending; not both\n"


@pytest.mark.parametrize("subcommand", ["ui", "deploy", "serve"])
@pytest.mark.parametrize(
    ("port", "allowed"), [("65536", "less than or equal to 65535"), ("0", "greater than or equal to 1")]
)
def test_a_port_that_is_none_is_a_usage_error(monkeypatch, capsys, subcommand: str, port: str, allowed: str) -> None:
    assert command(monkeypatch, subcommand, "--port", port) == 2
    assert f"Invalid value for '--port': Input should be {allowed}" in capsys.readouterr().err


def test_list_names_what_there_is_and_imports_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    paragraphs = listing.listing(in_project=True).split("\n\n")
    found = {kind: [line.split()[0] for line in lines] for kind, *lines in (p.splitlines() for p in paragraphs)}
    assert list(found) == ["experiments:", "methods:", "datasets:", "export targets:", "studies:"]
    assert found["methods:"] == available()
    assert {"digits", "mnist"} <= set(found["experiments:"]) & set(found["datasets:"])
    described = [line.split(maxsplit=1) for line in "\n".join(paragraphs[1:]).splitlines() if line[0] == " "]
    assert all(len(words) == 2 for words in described)
    code = "import sys; from pipeline.listing import listing; listing(True); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def check_data(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, in a folder that is no project."""
    command = [sys.executable, "-m", "flows.cli", "check-data", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_check_data_needs_no_project_and_draws_a_picture(tmp_path: Path) -> None:
    frames = np.arange(24 * 3 * 4 * 5, dtype=np.uint8).reshape(24, 3, 4, 5)
    np.savez(tmp_path / "ready.npz", frames=frames, labels=np.arange(24) % 2)
    done = check_data(tmp_path, "ready.npz")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nsample       3 x 1 x 4 x 5 (time steps x channels x height x width), uint8\n" in done.stdout
    assert done.stdout.endswith("\npicture: check-data.png\n")
    assert {path.name for path in tmp_path.iterdir()} == {"ready.npz", "check-data.png"}
    done = check_data(tmp_path, "ready.npz", "--picture", "mine.png")
    assert done.stdout.endswith("\npicture: mine.png\n")
    assert (tmp_path / "mine.png").read_bytes() == (tmp_path / "check-data.png").read_bytes()
    assert "picture" not in check_data(tmp_path, "ready.npz", "--no-picture").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["events:mine", "--no-picture"], "error: mine/b/1.npy: not a readable .npy file"),
        (["events:mine", "--by", "colour"], "error: check-data.by: Input should be 'time' or 'count'; found 'colour'"),
        (
            ["events:mine", "--timesteps", "0"],
            "error: check-data.timesteps: Input should be greater than or equal to 1",
        ),
    ],
)
def test_check_data_says_what_is_wrong_and_fails(tmp_path: Path, arguments: list[str], message: str) -> None:
    for name in "ab":
        (tmp_path / "mine" / name).mkdir(parents=True)
        np.save(tmp_path / "mine" / name / "1.npy", [[0, 0, 0, 1], [5, 1, 1, 0]])
    (tmp_path / "mine/b/1.npy").write_bytes(b"no array")
    done = check_data(tmp_path, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(message)
    assert not (tmp_path / "check-data.png").exists()
