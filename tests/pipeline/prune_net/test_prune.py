"""The command `snnprune prune`, as a user types it: what it writes, that it goes on, and what it says of bad input."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import snnprune
from flows import cli
from pipeline.prune_net import outputs
from snnprune.adapters.module_file import build_from
from snnprune.data.idx import load_idx
from tests.imports import PROJECT
from tests.pipeline.prune_net.conftest import blocks

COMMAND = ["my_nets.py:build", "--checkpoint", "my.pt", "--data", "idx:mnist", "--out", "pruned"]
RESIDUAL = """
import sys
sys.path.insert(0, {project!r})
from torch import nn
from tests.snnprune.adapters.own_nets import Residual, Step

def build():
    return nn.Sequential(nn.AvgPool2d(5, 4), Residual_of_ten())

class Residual_of_ten(Residual):
    def __init__(self):
        super().__init__()
        self.fc2 = nn.Linear(12, 10)

class OneStep(Step):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 12), nn.Linear(12, 10)

def steps():
    return OneStep()
"""


def prune(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of the command in this process."""
    monkeypatch.setattr(sys, "argv", ["snnprune", "prune", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def accuracy_of(net: torch.nn.Module, folder: Path) -> float:
    """Accuracy of the user's own class on the test set."""
    split = load_idx(folder, "test")
    with torch.no_grad():
        return (net.eval()(split.images).sum(0).argmax(1) == split.labels).double().mean().item()


def test_the_page_from_the_script_and_back(user: Path) -> None:
    """Every command and every line of Python that the page has, in a folder that is no project."""
    _, back, python, *_ = blocks("python")
    command = shlex.split(blocks("bash")[0].replace("idx:data/MNIST/raw", "idx:mnist"))
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=user, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    said = run(sys.executable, "-m", "flows.cli", *command[1:])
    assert "Net: 79,400 synapses, T 15, run as a plain sequence of layers\n" in said
    assert "cqp@0.95/seed0 epoch 2/2: loss " in said
    assert {path.name for path in (user / "pruned").iterdir()} == {
        "results.json", "level-0.90.pt", "level-0.95.pt", "mask-0.90.pt", "mask-0.95.pt",
        "level-0.90.safetensors", "level-0.95.safetensors",
    }  # fmt: skip
    assert run(sys.executable, "-c", back) == "3970 synapses\n"
    prepared = "import torch; from my_nets import build; net = build(); images = torch.rand(300, 1, 28, 28); labels = torch.arange(300) % 10\n"  # noqa: E501
    assert "MACs" in run(sys.executable, "-c", prepared + python)

    found = results(user / "pruned")
    dense = build_from("my_nets.py:build")
    dense.load_state_dict(torch.load("my.pt", weights_only=True)["model_state_dict"])
    assert found["dense"]["accuracy"] == accuracy_of(dense, user / "mnist") > 0.8
    for row, level, nnz in zip(found["levels"], (0.9, 0.95), (7940, 3970), strict=True):
        state = torch.load(f"pruned/level-{level:.2f}.pt", weights_only=True)
        mask = torch.load(f"pruned/mask-{level:.2f}.pt", weights_only=True)
        net = build_from("my_nets.py:build")
        net.load_state_dict(state, strict=True)
        assert (row["level"], row["sparsity"], row["nnz"]) == (level, level, nnz)
        assert row["accuracy"] == accuracy_of(net, user / "mnist") > 0.7
        assert sum(int(layer.count_nonzero()) for layer in mask.values()) == nnz
        own = snnprune.load(f"pruned/level-{level:.2f}.safetensors")
        assert snnprune.accuracy(own, load_idx(user / "mnist", "test")) == row["accuracy"]
        assert all(torch.equal(state[name] != 0, layer) for name, layer in mask.items())
        if level == 0.9:
            with torch.no_grad():
                for name, layer in mask.items():
                    dense.get_parameter(name).mul_(layer)
            assert row["accuracy_before"] == accuracy_of(dense, user / "mnist")


def test_a_network_of_any_shape(user: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """A learned beta, BatchNorm and a residual sum, pruned, fine-tuned and read again."""
    (user / "other.py").write_text(RESIDUAL.format(project=str(PROJECT)))
    torch.manual_seed(0)
    torch.save(build_from("other.py:build").state_dict(), "other.pt")
    options = ["--checkpoint", "other.pt", "--data", "idx:mnist", "--out", "pruned", "--levels", "0.5", "0.8"]
    assert prune(monkeypatch, "other.py:build", *options, "--epochs", "1", "--method", "magnitude") == 0
    said = capsys.readouterr().out
    assert "run by its own forward (1.skip takes something else than what" in said
    before = torch.load("other.pt", weights_only=True)
    for row in results(user / "pruned")["levels"]:
        net = build_from("other.py:build")
        state = torch.load(f"pruned/level-{row['level']:.2f}.pt", weights_only=True)
        net.load_state_dict(state, strict=True)
        mask = torch.load(f"pruned/mask-{row['level']:.2f}.pt", weights_only=True)
        assert all(torch.equal(state[name] != 0, kept) for name, kept in mask.items())
        assert accuracy_of(net, user / "mnist") == row["accuracy"]
        assert row["nnz"] == round((1 - row["level"]) * sum(kept.numel() for kept in mask.values()))
        assert not torch.equal(state["1.lif1.beta"], before["1.lif1.beta"])
        assert not torch.equal(state["1.norm.running_mean"], before["1.norm.running_mean"])


def test_every_option(user: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (user / "other.py").write_text(RESIDUAL.format(project=str(PROJECT)))
    options = "--timesteps 3 --encoding rate --readout mean-membrane --normalize 0.1307,0.3081 --reset zero --seed 3"
    options += " --no-reset-delay --method gradient --levels 0.5 --epochs 0 --lr 0.01 --batch-size 32 --threads 1"
    command = ["other.py:steps", "--data", "idx:mnist", "--out", "pruned", *options.split()]
    assert prune(monkeypatch, *command) == 0
    said = capsys.readouterr().out
    assert "T 3, run by its own forward (its readout is mean-membrane)" in said
    assert "is near chance (" in said and "(normalize, encoding, timesteps)" in said
    found = results(user / "pruned")
    assert (found["timesteps"], found["encoding"]["name"], found["seed"]) == (3, "rate", 3)
    assert found["finetune"] is None
    assert found["levels"][0]["accuracy"] == found["levels"][0]["accuracy_before"]


def test_an_interrupted_run_goes_on_and_ends_the_same(user: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(Path("pruned").iterdir()) if path.is_file()}

    command = [*COMMAND, "--levels", "0.8", "0.9", "--epochs", "2"]
    assert prune(monkeypatch, *command) == 0
    whole, _ = files(), capsys.readouterr()
    for name in whole:
        (user / "pruned" / name).unlink()
    epoch_done, seen = outputs.Levels.epoch_done, []

    def interrupt(self: outputs.Levels, *figures: object) -> None:
        seen.append(figures)
        if len(seen) == 3:
            os.kill(os.getpid(), 15)
        epoch_done(self, *figures)

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.io.progress.TerminalProgress.epoch_done", interrupt)
        assert prune(patched, *command) == 128 + 15
    assert "interrupted; the same command goes on from here" in capsys.readouterr().err
    assert set(files()) == {"level-0.80.pt", "level-0.80.safetensors", "mask-0.80.pt"}
    assert prune(monkeypatch, *command) == 0
    said = capsys.readouterr().out
    assert said.count(" epoch ") == 1 and "cqp@0.90/seed0 epoch 2/2" in said
    assert files() == whole
    assert not (user / "pruned/.resume").exists()


def test_results_of_other_options_are_not_overwritten(user: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    command = [*COMMAND, "--levels", "0.5", "--epochs", "0"]
    assert prune(monkeypatch, *command) == 0
    held = (user / "pruned/results.json").read_bytes()
    assert prune(monkeypatch, *command, "--normalize", "0.1,0.8", "--seed", "1") == 1
    assert capsys.readouterr().err == (
        "error: pruned: holds the results of another run (other: normalize, seed); choose another --out, or remove it\n"
    )
    assert prune(monkeypatch, *command) == 0
    assert (user / "pruned/results.json").read_bytes() == held


@pytest.mark.parametrize("epochs", ["0", "1"])
def test_an_interrupted_run_of_other_options_is_not_taken_over(
    epochs: str, user: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def interrupt(*_: object) -> None:
        os.kill(os.getpid(), 15)

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.prune_net.prune.write_results", interrupt)
        assert prune(patched, *COMMAND, "--levels", "0.5", "--epochs", epochs) == 128 + 15
    before = sorted(Path("pruned").rglob("*"))
    capsys.readouterr()
    assert prune(monkeypatch, *COMMAND, "--levels", "0.8", "--epochs", epochs, "--method", "magnitude") == 1
    assert capsys.readouterr().err == (
        "error: pruned: holds an interrupted run of other options (other: levels, method); choose another --out, or "
        "remove it\n"
    )
    assert sorted(Path("pruned").rglob("*")) == before
    assert prune(monkeypatch, *COMMAND, "--levels", "0.5", "--epochs", epochs) == 0
    assert not (user / "pruned/.resume").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is damaged, no JSON: Expecting property name"),
        (b"\xff", "is damaged, no JSON: 'utf-8' codec can't decode"),
        (b"[]", "is damaged; expected what snnprune prune writes, found []"),
        (b'{"options": 1}', 'is damaged; expected what snnprune prune writes, found {"options": 1}'),
    ],
)
@pytest.mark.parametrize("name", ["results.json", ".resume/options.json"])
def test_damaged_results_are_one_line(
    name: str, content: bytes, said: str, user: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (user / "pruned/.resume").mkdir(parents=True)
    (user / "pruned" / name).write_bytes(content)
    assert prune(monkeypatch, *COMMAND, "--levels", "0.5", "--epochs", "0") == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: pruned/{name}: {said}") and err.count("\n") == 1


def test_frames_of_events(user: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (user / "other.py").write_text(RESIDUAL.format(project=str(PROJECT)))
    frames = np.random.default_rng(0).poisson(0.3, (60, 4, 1, 28, 28)).astype(np.uint8)
    np.savez("mine.npz", frames=frames, labels=np.arange(60) % 3)
    command = ["other.py:steps", "--data", "mine.npz", "--out", "pruned", "--levels", "0.5", "--epochs", "1"]
    assert prune(monkeypatch, *command, "--timesteps", "4") == 0
    said = capsys.readouterr().out
    assert "note: mine.npz has no test set: 20 % of the samples are one" in said
    assert results(user / "pruned")["encoding"] == {"name": "frames"}
    assert prune(monkeypatch, *command, "--timesteps", "4", "--encoding", "rate") == 1
    assert capsys.readouterr().err == (
        "error: encoding: found rate; the data are frames of events, whose encoding is frames\n"
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"my_nets.py:build": "nets.py:build"}, "nets.py: no such file"),
        ({"my.pt": "his.pt"}, "his.pt: no such file"),
        ({"idx:mnist": "idx:nowhere"}, "nowhere: no such folder; correct the dataset idx:nowhere"),
        ({"idx:mnist": "mnits"}, "mnits: no dataset; allowed are idx:<folder>"),
        ({"--method": "best"}, "unknown pruning method 'best'; available are: cqp"),
        ({"--levels": "1.5"}, "options.levels[0]: Input should be less than 1; found 1.5"),
        ({"--lr": "0"}, "options.finetune.lr: Input should be greater than 0; found 0.0"),
        ({"--timesteps": "7"}, "timesteps: found 7; the network's forward runs 15 steps of its own"),
        ({"--encoding": "morse"}, "options.encoding.name: allowed are: direct, noisy_direct, rate, latency, frames"),
        ({"--readout": "guess"}, "options.readout: Input should be 'count', 'mean-membrane' or 'last-membrane'"),
        ({"--normalize": "0.5"}, "normalize: expected mean and deviation, such as 0.1307,0.3081; found '0.5'"),
        ({"--normalize": "0.5,0"}, "options.normalize.std: Input should be greater than 0; found 0.0"),
        ({"--device": "tpu"}, "options.device: Input should be 'auto', 'cpu' or 'cuda'; found 'tpu'"),
        ({"--reset": "up"}, "options.reset: Input should be 'subtract', 'zero' or 'none'; found 'up'"),
        ({"--method": "magnitude", "--alpha": "0.5"}, "options.alpha: unknown key; allowed here: no keys"),
        ({"pruned": "my.pt"}, "my.pt: is a file; --out is a folder"),
        ({"my.pt": "mnist"}, "mnist: is a folder; --checkpoint is a file"),
        ({"pruned": "mnist"}, "mnist: is among the data, idx:mnist; choose another --out"),
        ({"pruned": "mnist/x"}, "mnist/x: is among the data, idx:mnist; choose another --out"),
        ({"pruned": "/proc/x"}, "/proc/x: cannot be written (No such file or directory); choose another folder"),
        ({"pruned": "my.pt/x"}, "my.pt/x: cannot be written (Not a directory); choose another folder"),
    ],
)
def test_bad_input_is_one_line(
    changed: dict[str, str], message: str, user: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    arguments = [changed.get(argument, argument) for argument in COMMAND]
    if "--levels" not in changed:
        arguments += ["--levels", "0.5"]
    for option, value in changed.items():
        arguments += [option, value] if option.startswith("--") else []
    assert prune(monkeypatch, *arguments) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert not (user / "pruned").exists()
