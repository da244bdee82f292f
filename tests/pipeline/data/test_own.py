"""A user's own folder or file of data: DVC watches it, wherever it lies, and says what is missing."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from flows.engine.dvc import Project
from pipeline import matrix
from pipeline.data.own import own_path
from pipeline.project import write_project
from pipeline.slots import source_of
from snnprune.core.errors import UserError
from snnprune.data import idx
from tests.imports import PROJECT
from tests.tiny import run

Write = Callable[[Path], Path]
STAGE = "data@digits"


def repro(folder: Path) -> str:
    return run(folder, "dvc", "repro", STAGE, PYTHONPATH=str(PROJECT))


def use(dataset: str, **more: Any) -> None:
    """Make it the dataset of the experiment `digits`."""
    yaml = YAML()
    tree = yaml.load(Path("params.yaml"))
    tree["experiments"]["digits"]["data"] = {"dataset": dataset, "validation": 6, "split_seed": 0, **more}
    yaml.dump(tree, Path("params.yaml"))


@pytest.mark.parametrize("dataset", ["idx:mine", "idx:{}/elsewhere"])
def test_a_change_of_a_file_and_a_missing_folder_are_noticed(project: Path, write_folder: Write, dataset: str) -> None:
    dataset = dataset.format(project.parent)
    folder = write_folder(project / dataset.removeprefix("idx:"))
    write_project(project)
    use(dataset)
    assert matrix.update()
    repro(project)
    assert Project(project).why(STAGE) == ("unchanged", [])
    labels = folder / idx.TRAIN_LABELS
    content = labels.read_bytes()
    labels.write_bytes(content[:8] + bytes(2 - label for label in content[8:]))
    outcome, reasons = Project(project).why(STAGE)
    assert (outcome, [Path(reason).name for reason in reasons]) == ("ran", [folder.name])
    shutil.move(folder, project / "away")
    with pytest.raises(UserError, match=f"^{STAGE} needs .*{folder.name}: not there; put it back, or correct params"):
        Project(project).needed_for(STAGE)
    with pytest.raises(AssertionError, match=f"ERROR: failed to reproduce '{STAGE}': .*{folder.name}"):
        repro(project)


def test_a_change_of_a_file_of_events_is_noticed(project: Path) -> None:
    frames, file = np.arange(240, dtype=np.uint8).reshape(20, 3, 4), project / "ready.npz"
    np.savez(file, frames=frames, labels=np.arange(20) % 2)
    write_project(project)
    use("events:ready.npz", events={"timesteps": 3}, test=4)
    matrix.update()
    repro(project)
    assert Project(project).why(STAGE) == ("unchanged", [])
    np.savez(file, frames=frames, labels=1 - np.arange(20) % 2)
    outcome, reasons = Project(project).why(STAGE)
    assert (outcome, [Path(reason).name for reason in reasons]) == ("ran", ["ready.npz"])


def test_another_folder_than_the_one_that_dvc_watches_is_not_read(project: Path, write_folder: Write) -> None:
    write_folder(project / "other")
    write_project(project)
    use("idx:other")  # and matrix.yaml is not brought up to date
    with pytest.raises(AssertionError, match=r"error: matrix.yaml does not fit experiments.digits.data.dataset of par"):
        repro(project)


@pytest.mark.parametrize(
    ("data", "source"),
    [
        ({"dataset": "idx:mine"}, "mine"),
        ({"dataset": "idx:./mine/"}, "mine"),
        ({"dataset": "idx:../mine"}, "../mine"),
        ({"dataset": "idx:/data/mine"}, "/data/mine"),
        ({"dataset": "events:mine"}, "mine"),
        ({"dataset": "events:/data/mine.npz"}, "/data/mine.npz"),
        ({"dataset": "nmnist"}, "pipeline/data/datasets.py"),
        ({"dataset": "digits"}, "pipeline/data/datasets.py"),
        ({"dataset": 3}, "pipeline/data/datasets.py"),  # refused when params are validated
        (None, "pipeline/data/datasets.py"),
    ],
)
def test_what_the_data_stage_takes_its_samples_from(project: Path, data: object, source: str) -> None:
    assert source_of("one", data) == source
    code = "pipeline/data/datasets.py"
    assert source_of("one", data, with_code=False) == (".dvcignore" if source == code else source)


@pytest.mark.parametrize("dataset", ["idx:", "idx:.", "idx:..", "idx:{}", "events:", "events:.."])
def test_a_folder_that_holds_the_project_is_refused(project: Path, dataset: str) -> None:
    dataset = dataset.format(project)
    expected = f"^experiments.one.data.dataset: {dataset}: the folder holds the project itself; allowed is a folder for"
    with pytest.raises(UserError, match=expected):
        source_of("one", {"dataset": dataset})
    assert own_path("idx:../beside") == Path("../beside")


@pytest.mark.parametrize("name", ["with_code", "without"])
def test_no_path_is_named_twice_in_either_kind_of_project(project: Path, name: str) -> None:
    root = PROJECT
    if name == "without":
        write_project(root := project)
    stages = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    for item in YAML(typ="safe").load(root / "matrix.yaml")["stages"]["data"].values():
        deps = [item["source"] if dep == "${item.source}" else dep for dep in stages["data"]["do"]["deps"]]
        assert len(deps) == len(set(deps))
        assert all((root / dep).exists() for dep in deps)
