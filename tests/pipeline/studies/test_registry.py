"""The contract of every study of the registry."""

import sys

import pytest

from pipeline.study import DENSE, NETS, available, load_study
from snnprune.core.schema import Block
from tests.imports import imported_files
from tests.pipeline.studies.made import PARAMS


@pytest.mark.parametrize("name", available())
def test_what_a_study_declares(name: str) -> None:
    study = load_study(name)
    assert sys.modules[f"pipeline.studies.{name}"].__doc__
    assert study.params.model_validate(PARAMS["experiments"]["tiny"][name])
    assert study.needs in (DENSE, NETS, *available()) and study.needs != name
    assert all(issubclass(schema, Block) for schema in study.reads.values())
    assert all(file.is_file() for file in study.files)


@pytest.mark.parametrize("name", available())
def test_a_study_measures_alone(name: str) -> None:
    """It imports no other study, and nothing that summarises, draws or orchestrates."""
    files = {file.as_posix() for file in imported_files(f"pipeline.studies.{name}")}
    mine = {f"pipeline/studies/{name}.py"}
    assert {file for file in files if file.startswith("pipeline/studies/")} == mine
    assert not [file for file in files if file.startswith(("pipeline/report/", "pipeline/stages/", "flows/"))]
