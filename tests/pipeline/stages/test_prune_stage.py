"""The prune stage end to end: its files, the same bytes again, kills survived, and mistakes told plainly."""

import copy
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch

from pipeline.io import paths
from pipeline.io.store import load_dataset, save_dataset
from pipeline.stages import prune, train
from snnprune.core.checkpoint import load_mask, load_masks, load_network
from snnprune.core.errors import UserError
from snnprune.core.schema import ParamsError
from snnprune.core.training.evaluate import accuracy
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.select import InfeasibleSelection
from tests.imports import PROJECT
from tests.killing import killed_at

LEVELS = [0.5, 0.8, 0.9]
EPOCHS = 2
PARAMS = {
    "matrix": {"tiny": {"methods": ["cqp"], "seeds": [0]}},
    "runtime": {"threads": 1, "device": "cpu"},
    "experiments": {
        "tiny": {
            "data": {"dataset": "digits", "validation": 0.2, "test": 0.2, "split_seed": 0},
            "model": {"layers": [16, 12, 3], "timesteps": 4, "dropout": 0.2},
            "train": {"epochs": 3, "batch_size": 10, "lr": 0.01},
            "prune": {
                "levels": LEVELS,
                "criticality": {"kind": "sensitivity", "batches": 2, "batch_size": 20},
                "finetune": {"epochs": EPOCHS, "batch_size": 4, "lr": 0.005, "weight_decay": 0.0001},
            },
            "methods": {"cqp": {"alpha": 0.5}, "magnitude": {}, "osqp": {}, "random": {}},
        }
    },
}
COLUMNS = [
    *("protocol", "level", "sparsity", "keep", "nnz", "synapses", "validation_accuracy_before", "validation_accuracy"),
    *("one_shot_sparsity", "timesteps"),
]


def write_params(params: dict[str, Any], epochs: int = EPOCHS, **prune_changes: Any) -> None:
    """Write params.yaml (JSON is YAML) into the working directory, with keys of the prune block changed."""
    params = copy.deepcopy(params)
    params["experiments"]["tiny"]["prune"].update(prune_changes)
    params["experiments"]["tiny"]["prune"]["finetune"]["epochs"] = epochs
    Path("params.yaml").write_text(json.dumps(params), encoding="utf-8")


def made_split(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy copies of three patterns of 4 x 4 pixels in 0..16."""
    patterns = np.random.default_rng(99).integers(0, 13, (3, 4, 4))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, samples)
    return (patterns[labels] + rng.integers(0, 5, (samples, 4, 4))).astype(np.uint8), labels


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with a dataset, a dense net and params; the tests copy what they need from it."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_params(PARAMS)
        splits = {"train": made_split(60, 0), "validation": made_split(30, 1), "test": made_split(30, 2)}
        save_dataset(paths.data_folder("tiny"), name="patterns", classes=3, scale=16, splits=splits)
        train.main(["tiny", "0"])
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of the project folder as working directory."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(method: str = "cqp") -> Path:
    prune.main(["tiny", method, "0"])
    return paths.prune_folder("tiny", method, 0)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def command(method: str = "cqp") -> list[str]:
    return [sys.executable, "-m", "pipeline.stages.prune", "tiny", method, "0"]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROJECT)}


def test_files_and_what_stands_in_them(project: Path) -> None:
    folder = run()
    assert set(contents(folder)) == {
        "levels.csv",
        "curve.csv",
        "nets/one_shot.safetensors",
        *(f"nets/level-{level:.2f}.safetensors" for level in LEVELS),
    }
    assert not (project / ".resume/prune/tiny/cqp/seed0").exists()

    table = rows(folder / "levels.csv")
    assert list(table[0]) == COLUMNS
    assert [float(row["level"]) for row in table] == LEVELS
    # 228 synapses: 114, 45.6 and 22.8 are to be kept.
    assert [(row["keep"], row["nnz"], row["synapses"]) for row in table] == [
        ("114", "114", "228"),
        ("46", "46", "228"),
        ("23", "23", "228"),
    ]
    assert [float(row["sparsity"]) for row in table] == [0.5, pytest.approx(1 - 46 / 228), pytest.approx(1 - 23 / 228)]
    assert {(row["protocol"], row["timesteps"]) for row in table} == {("fair", "4")}

    curve = rows(folder / "curve.csv")
    assert [int(row["epoch"]) for row in curve] == list(range(1, 3 * EPOCHS + 1))
    assert [float(row["level"]) for row in curve] == [level for level in LEVELS for _ in range(EPOCHS)]
    assert set(curve[0]) == {"epoch", "loss", "validation_accuracy", "lr", "level"}


def test_the_stored_nets_are_those_measured_each_inside_the_one_before(project: Path) -> None:
    folder = run()
    validation = load_dataset(paths.data_folder("tiny")).validation
    before = None
    for row in rows(folder / "levels.csv"):
        path = paths.net_file("tiny", "cqp", 0, float(row["level"]))
        network, mask = load_network(path), Mask(load_mask(path))
        assert mask.nnz == int(row["nnz"])
        assert not any(bool(weight[~mask[name]].any()) for name, weight in prunable_weights(network).items())
        assert accuracy(network, validation) == float(row["validation_accuracy"])
        assert before is None or mask.inside(before)
        before = mask


def test_the_masks_of_one_step_are_stored_by_level(project: Path) -> None:
    folder = run("osqp")
    masks = load_masks(paths.one_shot_file("tiny", "osqp", 0), load_network(paths.dense_file("tiny", 0)))
    assert list(masks) == [f"{level:.2f}" for level in LEVELS]
    sparsities = [float(row["one_shot_sparsity"]) for row in rows(folder / "levels.csv")]
    assert [Mask(mask).sparsity for mask in masks.values()] == sparsities


def test_the_test_split_is_not_read(project: Path) -> None:
    expected = contents(run())
    splits = {"train": made_split(60, 0), "validation": made_split(30, 1), "test": made_split(9, 5)}
    save_dataset(paths.data_folder("tiny"), name="patterns", classes=3, scale=16, splits=splits)
    assert contents(run()) == expected


@pytest.mark.parametrize("method", ["cqp", "magnitude", "osqp", "random"])
def test_a_rerun_gives_the_same_bytes(project: Path, method: str) -> None:
    first = contents(run(method))
    assert contents(run(method)) == first


def test_the_dense_net_is_left_as_it_is(project: Path) -> None:
    dense = paths.train_folder("tiny", 0)
    before = contents(dense)
    run("magnitude")
    assert contents(dense) == before
    stored = safetensors.torch.load_file(dense / "model.safetensors")
    assert all(bool(tensor.all()) for name, tensor in stored.items() if name.endswith("weight"))


def test_a_kill_costs_at_most_one_epoch_and_changes_nothing(project: Path) -> None:
    folder = run()
    expected = contents(folder)
    shutil.rmtree(folder)

    killed = subprocess.run(command(), cwd=project, env=killed_at("level 0.8 epoch 1/2", ENVIRONMENT))
    assert killed.returncode == -signal.SIGKILL
    assert not (folder / "levels.csv").exists()

    done = subprocess.run(command(), cwd=project, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    trained = [line.split(":")[0] for line in done.stdout.splitlines() if " epoch " in line]
    assert trained == [f"cqp seed 0 level {rest}" for rest in ("0.8 epoch 2/2", "0.9 epoch 1/2", "0.9 epoch 2/2")]
    assert contents(folder) == expected
    assert not (project / ".resume/prune/tiny/cqp/seed0").exists()


def test_other_settings_do_not_go_on_from_an_interrupted_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(self: object, row: dict[str, Any]) -> None:
        if row["level"] == 0.8:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(prune.Curve, "append", interrupt)
        run("magnitude")
    write_params(PARAMS, scope="layer")
    capsys.readouterr()
    run("magnitude")
    assert capsys.readouterr().out.count(" epoch ") == len(LEVELS) * EPOCHS


def test_mistakes_are_told_as_errors(project: Path) -> None:
    with pytest.raises(UserError, match="unknown pruning method 'cpq'; available are: .*cqp"):
        run("cpq")
    with pytest.raises(ParamsError, match="experiments.other: no such experiment; defined are: tiny"):
        prune.main(["other", "cqp", "0"])
    write_params(PARAMS, levels=[0.9, 0.5])
    with pytest.raises(ParamsError, match="experiments.tiny.prune.levels: values must rise strictly"):
        run()
    params = copy.deepcopy(PARAMS)
    params["experiments"]["tiny"]["methods"]["cqp"]["tau"] = 0.0
    write_params(params)
    with pytest.raises(InfeasibleSelection, match="cannot keep 114 synapses: .* are protected"):
        run()
    assert not any(paths.prune_folder("tiny", "cqp", 0).glob("*.json"))


def test_on_the_command_line_a_mistake_is_one_line_without_traceback(project: Path) -> None:
    write_params(PARAMS, scope="locally")
    done = subprocess.run(command(), cwd=project, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "error: experiments.tiny.prune.scope: Input should be 'global' or 'layer'; found 'locally'\n"
    )
