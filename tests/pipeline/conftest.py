"""A project folder in which every stage was run but for the comparison and the report."""

import shutil
from pathlib import Path

import pytest

from pipeline import matrix
from pipeline.stages import evaluate, study
from pipeline.study import DENSE, NETS, available, load_study
from tests.pipeline.studies.made import make_project


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with data, dense and pruned nets, and the tables of all nets and of every study."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_project()
        evaluate.main(["tiny"])
        for name in sorted(available(), key=lambda name: load_study(name).needs not in (DENSE, NETS)):
            study.main(["tiny", name])
        matrix.update()
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of the project folder as working directory."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
