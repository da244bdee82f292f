"""The train stage from its command line: its files, rerun and killed runs to the byte, and how it fails."""

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.io.store import Arrays, save_dataset
from pipeline.stages.train import main
from snnprune.core.checkpoint import load_network
from snnprune.core.errors import DataError, UserError
from snnprune.core.schema import ParamsError
from tests.killing import killed_at

ROOT = Path(__file__).parents[3]
EPOCHS = 24
# Everything that draws random numbers is on: dropout, noise, augmentation.
PARAMS = f"""
runtime: {{threads: 1, device: cpu}}
experiments:
  tiny: &tiny
    model: &model
      layers: [16, 24, 3]
      timesteps: 5
      encoding: {{name: noisy_direct, sigma: 0.1}}
      dropout: 0.2
    train: {{epochs: {EPOCHS}, batch_size: 8, lr: 0.01, weight_decay: 0.0001, augment: {{shift: 1, rotation: 10.0}}}}
  misfit:
    model: {{layers: [16, 24, 4]}}
    train: {{epochs: 1, batch_size: 16, lr: 0.01}}
  small:
    model: {{layers: [15, 24, 3]}}
    train: {{epochs: 1, batch_size: 16, lr: 0.01}}
  conv_misfit:
    model: {{layers: 8x8-4C3-MP2-3}}
    train: {{epochs: 1, batch_size: 16, lr: 0.01}}
  conv:
    model: {{layers: 4x4-4C2-MP2-3, timesteps: 3, dropout: 0.1}}
    train: {{epochs: 2, batch_size: 16, lr: 0.01}}
  typo:
    model: *model
    train: {{epochs: 1, batch_size: 16, rate: 0.01}}
  absent: *tiny
"""
NAMES = {"model.safetensors", "optimizer.safetensors", "curve.csv", "metrics.json"}
ARGUMENTS = ["tiny", "3"]
COMMAND = [sys.executable, "-m", "pipeline.stages.train", *ARGUMENTS]


def rows_lit(count: int, seed: int) -> Arrays:
    """Images of 4 x 4 pixels whose brightest row, 0 to 2, is the class."""
    labels = np.arange(count, dtype=np.int64) % 3
    images = np.random.default_rng(seed).integers(0, 80, (count, 4, 4), dtype=np.uint8)
    images[np.arange(count), labels] += 150
    return images, labels


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project folder as working directory, its dataset stored; torch's settings are put back afterwards."""
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    yield tmp_path
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def make_project(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "params.yaml").write_text(PARAMS)
    splits = {"train": rows_lit(240, 0), "validation": rows_lit(30, 1), "test": rows_lit(30, 2)}
    for experiment in ("tiny", "misfit", "small", "conv_misfit", "conv", "typo"):
        save_dataset(folder / "results" / experiment / "data", "rows", classes=3, scale=255, splits=splits)


def written(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "results" / "tiny" / "train" / "seed3").iterdir()}


def test_files_and_a_rerun_to_the_byte(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(ARGUMENTS)
    first = written(project)
    assert first.keys() == NAMES
    metrics = json.loads(first["metrics.json"])
    assert metrics.keys() == {"loss", "validation_accuracy"}
    assert metrics["validation_accuracy"] > 0.6  # chance is 1/3; shifted training rows blur the classes
    curve = list(csv.DictReader(first["curve.csv"].decode().splitlines()))
    assert [int(row["epoch"]) for row in curve] == list(range(1, EPOCHS + 1))
    assert float(curve[-1]["loss"]) == metrics["loss"] < float(curve[0]["loss"])
    network = load_network(project / "results" / "tiny" / "train" / "seed3" / "model.safetensors")
    assert network.spec.layers == [16, 24, 3]
    assert f"dense net, seed 3: validation accuracy {metrics['validation_accuracy']:.2%}" in capsys.readouterr().out
    assert not list((project / ".resume").rglob("*.pt"))
    main(ARGUMENTS)
    assert written(project) == first


def epochs_printed(lines: list[str]) -> list[int]:
    return [int(line.split(" epoch ")[1].split("/")[0]) for line in lines if " epoch " in line]


def test_killed_after_an_epoch_it_goes_on_and_ends_with_the_same_bytes(project: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(COMMAND, cwd=project, env=killed_at(f"epoch 5/{EPOCHS}", environment))
    assert killed.returncode == -signal.SIGKILL
    assert "metrics.json" not in written(project)
    resumed = subprocess.run(COMMAND, cwd=project, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert epochs_printed(resumed.stdout.splitlines()) == list(range(6, EPOCHS + 1))
    found = written(project)
    main(ARGUMENTS)  # nothing to resume is left: a whole run
    assert found.keys() == NAMES
    assert written(project) == found


def test_another_seed_is_another_net(project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace(f"epochs: {EPOCHS}", "epochs: 1"))
    for seed in ("3", "4"):
        main(["tiny", seed])
    folder = project / "results" / "tiny" / "train"
    assert (folder / "seed3" / "curve.csv").read_bytes() != (folder / "seed4" / "curve.csv").read_bytes()


def test_a_convolutional_net_is_trained(project: Path) -> None:
    main(["conv", "0"])
    folder = project / "results" / "conv" / "train" / "seed0"
    assert {path.name for path in folder.iterdir()} == NAMES
    network = load_network(folder / "model.safetensors")
    assert network.spec.layers == "4x4-4C2-MP2-3"
    assert network.layers[0].weight.shape == (4, 1, 2, 2)


@pytest.mark.parametrize(
    ("experiment", "layers"), [("misfit", "[16, 24, 4]"), ("small", "[15, 24, 3]"), ("conv_misfit", "8x8-4C3-MP2-3")]
)
def test_layers_that_do_not_fit_the_dataset_are_named(project: Path, experiment: str, layers: str) -> None:
    with pytest.raises(UserError) as caught:
        main([experiment, "0"])
    assert str(caught.value) == (
        f"model.layers: found {layers}, but the dataset has images of 1x4x4 and 3 classes; "
        "the input must be 1x4x4 or 16, the last layer 3"
    )
    assert not (project / "results" / experiment / "train").exists()


def test_errors_name_the_key_or_the_file(project: Path) -> None:
    with pytest.raises(ParamsError, match="experiments.typo.train.rate: unknown key"):
        main(["typo", "0"])
    with pytest.raises(DataError, match="absent/data/dataset.safetensors: no such file"):
        main(["absent", "0"])
