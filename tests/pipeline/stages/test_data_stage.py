"""The data stage from its command line: what it writes, that it repeats itself, and how it fails."""

import struct
from pathlib import Path

import pytest

from pipeline.data.sources import ENVIRONMENT_VARIABLE
from pipeline.io.store import load_dataset
from pipeline.stages.data import main
from snnprune.core.errors import DataError
from tests.pipeline.studies.made import contents

PARAMS = """
experiments:
  digits:
    data: {dataset: digits, validation: 0.2, test: 0.2, split_seed: 0}
  reseeded:
    data: {dataset: digits, validation: 0.2, test: 0.2, split_seed: 1}
  own:
    data: {dataset: "idx:mine", validation: 4, test: 6, split_seed: 0}
  absent:
    data: {dataset: mnist, validation: 0.2, split_seed: 0}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with params.yaml as working directory."""
    (tmp_path / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    return tmp_path


def made(project: Path, experiment: str) -> dict[str, bytes]:
    main([experiment])
    return contents(project / "results" / experiment / "data")


def test_digits_are_stored_and_rerun_to_the_byte(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = made(project, "digits")
    assert set(first) == {"dataset.safetensors", "dataset.json"}
    dataset = load_dataset(project / "results" / "digits" / "data")
    assert [len(split.labels) for split in (dataset.train, dataset.validation, dataset.test)] == [1079, 359, 359]
    assert (dataset.train.images.min(), dataset.train.images.max()) == (0.0, 1.0)
    line = capsys.readouterr().out
    assert "digits from scikit-learn" in line
    assert "1079 train, 359 validation, 359 test samples of 1 x 8 x 8, 10 classes" in line
    assert "pixels 0 to 16, of which 16 becomes 1.0" in line
    assert made(project, "digits") == first
    assert made(project, "reseeded")["dataset.json"] != first["dataset.json"]


def test_own_folder(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = project / "mine"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 20, 1, 2) + bytes([0, 255] * 20))
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 20) + bytes([0, 1] * 10))
    main(["own"])
    assert load_dataset(project / "results" / "own" / "data").train.images.shape == (10, 1, 1, 2)
    assert "idx:mine from mine: 10 train, 4 validation, 6 test" in capsys.readouterr().out


def test_a_dataset_that_is_not_there_leaves_no_result(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "nowhere")
    with pytest.raises(DataError, match="nowhere: no such folder"):
        main(["absent"])
    assert not (project / "results").exists()
