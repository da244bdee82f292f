"""Holds the lines between the layers: who may import what."""

from pathlib import Path

import pytest

from tests.imports import PROJECT, imported_files, imported_names

SNNPRUNE = sorted(path.relative_to(PROJECT) for path in (PROJECT / "snnprune").rglob("*.py"))
PIPELINE = sorted(path.relative_to(PROJECT) for path in (PROJECT / "pipeline").rglob("*.py"))
FLOWS = sorted(path.relative_to(PROJECT) for path in (PROJECT / "flows").rglob("*.py"))
ORCHESTRATION = {"prefect", "mlflow", "flows", "dvc"}
ENGINE = {  # what runs any DVC project
    "flows.attempts",
    "flows.dask_workers",
    "flows.dvc_quick",
    "flows.engine",
    "flows.environment",
    "flows.exchange",
    "flows.graph",
    "flows.guard",
    "flows.guarded",
    "flows.hints",
    "flows.interrupt",
    "flows.lock_copy",
    "flows.lockfile",
    "flows.prefect_cancel",
    "flows.prefect_tasks",
    "flows.process",
    "flows.progress",
    "flows.remote_stage",
    "flows.rwlock",
    "flows.shown",
    "flows.stop",
    "flows.sweep",
    "flows.unproven",
    "flows.workspace",
}
MATHS = {"torch", "snntorch", "scipy", "sklearn", "osqp", "cvxpy"}


def top_level(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imported_names(file)}


@pytest.mark.parametrize("file", SNNPRUNE, ids=str)
def test_the_library_knows_no_project(file: Path) -> None:
    assert not top_level(file) & {*ORCHESTRATION, "pipeline", "ruamel", "matplotlib", "pandas"}


@pytest.mark.parametrize("file", PIPELINE, ids=str)
def test_the_science_knows_nothing_of_orchestration(file: Path) -> None:
    assert not top_level(file) & ORCHESTRATION


@pytest.mark.parametrize("file", [file for file in FLOWS if file.name != "served_model.py"], ids=str)
def test_flows_hold_no_maths(file: Path) -> None:
    assert not top_level(file) & MATHS


@pytest.mark.parametrize("file", FLOWS, ids=str)
def test_only_the_tracking_files_talk_to_mlflow(file: Path) -> None:
    assert "mlflow" not in top_level(file) or file.name in {"mlflow_store.py", "served_model.py"}


@pytest.mark.parametrize("file", FLOWS, ids=str)
def test_only_the_prefect_files_talk_to_prefect(file: Path) -> None:
    assert "prefect" not in top_level(file) or file.name.startswith("prefect_") or file.name == "dask_workers.py"


@pytest.mark.parametrize("module", sorted(ENGINE))
def test_the_engine_knows_any_dvc_project_and_none_of_ours(module: str) -> None:
    assert {path.as_posix() for path in imported_files(module)} <= {f"{name.replace('.', '/')}.py" for name in ENGINE}


@pytest.mark.parametrize("file", [file for file in PIPELINE if "stages" not in file.parts], ids=str)
def test_only_stages_and_the_params_reader_read_params(file: Path) -> None:
    readers = {"pipeline.io.params.load_block", "pipeline.io.params.load_method", "pipeline.io.params.load_runtime"}
    allowed = {Path("pipeline/io/params.py"), Path("pipeline/experiments.py")}
    assert file in allowed or not readers & set(imported_names(file))


def test_no_file_is_a_grab_bag() -> None:
    assert not [file for file in [*PIPELINE, *FLOWS] if file.stem in {"utils", "util", "helpers", "common", "misc"}]
