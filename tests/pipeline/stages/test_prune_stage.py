"""The prune stage end to end: its files, the same bytes again, kills survived, and mistakes told plainly."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.io import paths
from pipeline.io.store import load_dataset
from pipeline.stages import prune
from snnprune.core.checkpoint import load_mask, load_masks, load_network
from snnprune.core.errors import UserError
from snnprune.core.training.evaluate import accuracy
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.select import InfeasibleSelection
from tests.imports import PROJECT
from tests.killing import killed_at
from tests.pipeline.studies.made import contents, made_split, save_splits, write_params

LEVELS = [0.5, 0.8, 0.9]
EPOCHS = 2
COMMAND = [sys.executable, "-m", "pipeline.stages.prune", "tiny", "cqp", "0"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROJECT)}


def run(method: str = "cqp", *changes: tuple[str, Any]) -> Path:
    """Run the stage with the changed params as DVC does: its former results are gone."""
    write_params(("prune.levels", LEVELS), ("prune.finetune.epochs", EPOCHS), *changes)
    folder = paths.prune_folder("tiny", method, 0)
    shutil.rmtree(folder, ignore_errors=True)
    prune.main(["tiny", method, "0"])
    return folder


def test_files_and_what_stands_in_them(project: Path) -> None:
    folder = run()
    assert set(contents(folder)) == {
        "levels.csv",
        "curve.csv",
        "nets/one_shot.safetensors",
        *(f"nets/level-{level:.2f}.safetensors" for level in LEVELS),
    }
    assert not (project / ".resume/prune/tiny/cqp/seed0").exists()

    table = pd.read_csv(folder / "levels.csv")
    assert table["level"].tolist() == LEVELS
    # 484 synapses: 242, 96.8 and 48.4 are to be kept.
    assert table[["keep", "nnz", "synapses"]].to_numpy().tolist() == [[242, 242, 484], [97, 97, 484], [48, 48, 484]]
    assert table["sparsity"].tolist() == pytest.approx([0.5, 1 - 97 / 484, 1 - 48 / 484])
    assert set(zip(table["protocol"], table["timesteps"], strict=True)) == {("fair", 5)}

    curve = pd.read_csv(folder / "curve.csv")
    assert curve["epoch"].tolist() == list(range(1, 3 * EPOCHS + 1))
    assert curve["level"].tolist() == [level for level in LEVELS for _ in range(EPOCHS)]
    assert set(curve) == {"epoch", "loss", "validation_accuracy", "lr", "level"}


def test_the_stored_nets_are_those_measured_each_inside_the_one_before(project: Path) -> None:
    folder = run()
    validation = load_dataset(paths.data_folder("tiny")).validation
    before = None
    for row in pd.read_csv(folder / "levels.csv").itertuples():
        path = paths.net_file("tiny", "cqp", 0, row.level)
        network, mask = load_network(path), Mask(load_mask(path))
        assert mask.nnz == row.nnz
        assert not any(bool(weight[~mask[name]].any()) for name, weight in prunable_weights(network).items())
        assert accuracy(network, validation) == row.validation_accuracy
        assert before is None or mask.inside(before)
        before = mask


def test_the_masks_of_one_step_are_stored_by_level(project: Path) -> None:
    folder = run("osqp")
    masks = load_masks(paths.one_shot_file("tiny", "osqp", 0), load_network(paths.dense_file("tiny", 0)))
    assert list(masks) == [f"{level:.2f}" for level in LEVELS]
    sparsities = pd.read_csv(folder / "levels.csv")["one_shot_sparsity"].tolist()
    assert [Mask(mask).sparsity for mask in masks.values()] == sparsities


def test_the_test_split_is_not_read(project: Path) -> None:
    expected = contents(run())
    save_splits(test=made_split(9, 5))
    assert contents(run()) == expected


@pytest.mark.parametrize("method", ["cqp", "magnitude", "osqp", "random"])
def test_a_rerun_gives_the_same_bytes_and_leaves_the_dense_net_as_it_is(project: Path, method: str) -> None:
    dense = paths.dense_file("tiny", 0)
    stored, first = dense.read_bytes(), contents(run(method))
    assert contents(run(method)) == first
    assert dense.read_bytes() == stored
    assert all(bool(weight.all()) for weight in prunable_weights(load_network(dense)).values())


def test_a_kill_costs_at_most_one_epoch_and_changes_nothing(project: Path) -> None:
    folder = run()
    expected = contents(folder)
    shutil.rmtree(folder)

    killed = subprocess.run(COMMAND, cwd=project, env=killed_at("cqp@0.80/seed0 epoch 1/2", ENVIRONMENT))
    assert killed.returncode == -signal.SIGKILL
    assert not (folder / "levels.csv").exists()

    done = subprocess.run(COMMAND, cwd=project, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    trained = [line.split(":")[0] for line in done.stdout.splitlines() if " epoch " in line]
    assert trained == [
        f"cqp@{rest}" for rest in ("0.80/seed0 epoch 2/2", "0.90/seed0 epoch 1/2", "0.90/seed0 epoch 2/2")
    ]
    assert contents(folder) == expected
    assert not (project / ".resume/prune/tiny/cqp/seed0").exists()


def test_other_settings_do_not_go_on_from_an_interrupted_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(self: object, row: dict[str, Any]) -> None:
        if row["level"] == 0.8:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(prune.Curve, "append", interrupt)
        run("magnitude")
    capsys.readouterr()
    run("magnitude", ("prune.scope", "layer"))
    assert capsys.readouterr().out.count(" epoch ") == len(LEVELS) * EPOCHS


def test_mistakes_are_told_as_errors(project: Path) -> None:
    with pytest.raises(UserError, match="unknown pruning method 'cpq'; available are: .*cqp"):
        run("cpq")
    with pytest.raises(InfeasibleSelection, match="cannot keep 242 synapses: .* are protected"):
        run("cqp", ("methods.cqp.tau", 0.0))
    assert not (paths.prune_folder("tiny", "cqp", 0) / "levels.csv").exists()
