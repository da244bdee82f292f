"""Holds params.yaml against the results that are in git: what was chosen there is what it says."""

import json

import pytest
from ruamel.yaml import YAML

from pipeline.io import paths
from tests.imports import PROJECT

PARAMS = YAML(typ="safe").load(PROJECT / "params.yaml")
WITH_ALPHA = [name for name in PARAMS["matrix"] if "alpha" in PARAMS["experiments"][name]]


@pytest.mark.parametrize("experiment", WITH_ALPHA)
def test_cqp_has_the_alpha_that_was_chosen_on_validation(experiment: str) -> None:
    file = PROJECT / paths.report_folder(experiment) / "studies" / "alpha.json"
    if not file.is_file():
        pytest.skip(f"no result yet: {file.relative_to(PROJECT)}")
    chosen = json.loads(file.read_text(encoding="utf-8"))["chosen"]
    assert PARAMS["experiments"][experiment]["methods"]["cqp"]["alpha"] == chosen
