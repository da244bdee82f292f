"""The train stage from its command line: its files, rerun and killed runs to the byte, and how it fails."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.io import paths
from pipeline.stages.train import main
from snnprune.core.checkpoint import load_network
from snnprune.core.errors import DataError, UserError
from tests.imports import PROJECT
from tests.killing import killed_at
from tests.pipeline.studies.made import contents, save_splits, write_params

EPOCHS = 12
NAMES = {"model.safetensors", "optimizer.safetensors", "curve.csv", "metrics.json"}
COMMAND = [sys.executable, "-m", "pipeline.stages.train", "tiny", "3"]


def write(*changes: tuple[str, Any]) -> None:
    """Write params.yaml with everything on that draws random numbers: dropout, noise, augmentation."""
    model = {"layers": [16, 24, 3], "timesteps": 5, "encoding": {"name": "noisy_direct", "sigma": 0.1}, "dropout": 0.2}
    train = {"epochs": EPOCHS, "batch_size": 8, "lr": 0.02, "weight_decay": 0.0001}
    write_params(("model", model), ("train", train | {"augment": {"rotation": 10.0}}), *changes)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with params and a dataset as working directory."""
    monkeypatch.chdir(tmp_path)
    write()
    save_splits()
    return tmp_path


def written(seed: int = 3) -> dict[str, bytes]:
    return contents(paths.train_folder("tiny", seed))


def test_files_and_a_rerun_to_the_byte(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["tiny", "3"])
    first = written()
    assert first.keys() == NAMES
    metrics = json.loads(first["metrics.json"])
    assert metrics.keys() == {"loss", "validation_accuracy"}
    assert metrics["validation_accuracy"] > 0.6  # chance is 1/3
    curve = list(csv.DictReader(first["curve.csv"].decode().splitlines()))
    assert [int(row["epoch"]) for row in curve] == list(range(1, EPOCHS + 1))
    assert float(curve[-1]["loss"]) == metrics["loss"] < float(curve[0]["loss"])
    assert load_network(paths.dense_file("tiny", 3)).spec.layers == [16, 24, 3]
    assert f"dense/seed3: validation accuracy {100 * metrics['validation_accuracy']:.2f} %" in capsys.readouterr().out
    assert not list((project / ".resume").rglob("*.pt"))
    main(["tiny", "3"])
    assert written() == first
    main(["tiny", "4"])
    assert written(4)["curve.csv"] != first["curve.csv"]


def test_killed_after_an_epoch_it_goes_on_and_ends_with_the_same_bytes(project: Path) -> None:
    environment = {"PYTHONPATH": str(PROJECT)}
    killed = subprocess.run(COMMAND, cwd=project, env=killed_at(f"epoch 5/{EPOCHS}", environment))
    assert killed.returncode == -signal.SIGKILL
    assert "metrics.json" not in written()
    resumed = subprocess.run(COMMAND, cwd=project, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    epochs = [line.split(" epoch ")[1].split("/")[0] for line in resumed.stdout.splitlines() if " epoch " in line]
    assert epochs == [str(epoch) for epoch in range(6, EPOCHS + 1)]
    found = written()
    main(["tiny", "3"])  # nothing to resume is left: a whole run
    assert found.keys() == NAMES
    assert written() == found


def test_a_convolutional_net_is_trained() -> None:
    write(("model.layers", "4x4-4C2-MP2-3"), ("train.epochs", 1))
    main(["tiny", "0"])
    assert written(0).keys() == NAMES
    network = load_network(paths.dense_file("tiny", 0))
    assert network.spec.layers == "4x4-4C2-MP2-3"
    assert network.layers[0].weight.shape == (4, 1, 2, 2)


@pytest.mark.parametrize("layers", [[16, 24, 4], [15, 24, 3], "8x8-4C3-MP2-3"], ids=str)
def test_layers_that_do_not_fit_the_dataset_are_named(layers: Any) -> None:
    write(("model.layers", layers))
    with pytest.raises(UserError) as caught:
        main(["tiny", "0"])
    assert str(caught.value) == (
        f"model.layers: found {layers}, but the dataset has images of 1x4x4 and 3 classes; "
        "the input must be 1x4x4 or 16, the last layer 3"
    )
    assert not paths.train_folder("tiny", 0).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("model.encoding", {"name": "frames"}),
            "model.encoding: found frames, .* has still images; allowed is all but",
        ),
    ],
)
def test_an_encoding_that_does_not_fit_the_dataset_is_named(change: Any, message: str) -> None:
    write(change)
    with pytest.raises(UserError, match=message):
        main(["tiny", "0"])


def test_a_missing_dataset_is_named() -> None:
    (paths.data_folder("tiny") / "dataset.safetensors").unlink()
    with pytest.raises(DataError, match="tiny/data/dataset.safetensors: no such file"):
        main(["tiny", "0"])
