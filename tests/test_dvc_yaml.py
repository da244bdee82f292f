"""Holds dvc.yaml against the code: every stage names what it imports and the params it reads, and nothing else."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from pipeline.blocks import STUDIES
from pipeline.io import params as params_module
from pipeline.io.params import Matrix
from snnprune.core.schema import Block
from tests.imports import PROJECT, imported_files
from tests.tiny import METHODS, tiny_params, write_params

PARAMS = YAML(typ="safe").load(PROJECT / "params.yaml")
PRUNE_BY_CQP = ("staleness", "alpha")  # these load it by its name
STAGES = {stage.addressing: stage for stage in Repo(str(PROJECT)).index.stages}


def code_deps(address: str) -> list[Path]:
    """The dependencies that are code: a .py file or a folder of them, relative to the project."""
    deps = [Path(dep.def_path) for dep in STAGES[address].deps]
    return [dep for dep in deps if dep.parts[0] in ("snnprune", "pipeline", "flows")]


def module_of(address: str) -> list[str]:
    """The modules a stage's command starts, the methods that it loads by name included."""
    words = STAGES[address].cmd.split()
    modules = [words[words.index("-m") + 1]]
    if "--method" in words:
        modules.append(f"snnprune.methods.{words[words.index('--method') + 1]}")
    if address.partition("@")[0] in PRUNE_BY_CQP:
        modules.append("snnprune.methods.cqp")
    return modules


def covers(dep: Path, file: Path) -> bool:
    return dep == file or dep in file.parents


@pytest.mark.parametrize("address", STAGES)
def test_deps_name_every_imported_file(address: str) -> None:
    files = {file for module in module_of(address) for file in imported_files(module)}
    missing = {file for file in files if not any(covers(dep, file) for dep in code_deps(address))}
    assert not missing


@pytest.mark.parametrize("address", STAGES)
def test_deps_name_nothing_else(address: str) -> None:
    files = {file for module in module_of(address) for file in imported_files(module)}
    files.add(Path("flows/served_model.py"))  # logged into MLflow as a file
    unused = {dep for dep in code_deps(address) if not any(covers(dep, file) for file in files)}
    assert not unused


def test_the_matrix_gives_every_stage_once() -> None:
    expected = set()
    for name, entry in PARAMS["matrix"].items():
        expected |= {f"train@{name}-{seed}" for seed in entry["seeds"]}
        expected |= {f"prune@{name}-{method}-{seed}" for method in entry["methods"] for seed in entry["seeds"]}
        studies = [study for study in STUDIES if study in PARAMS["experiments"][name]]
        expected |= {f"{stage}@{name}" for stage in ("data", "compare", "report", "track", *studies)}
    assert set(STAGES) == expected


def test_every_stage_has_a_member_to_be_tested_by() -> None:
    names = YAML(typ="safe").load(PROJECT / "dvc.yaml")["stages"]
    assert {address.partition("@")[0] for address in STAGES} == set(names)


@pytest.mark.parametrize("address", [address for address in STAGES if address.partition("@")[0] in STUDIES])
def test_the_run_cache_takes_a_study(address: str) -> None:
    study, _, experiment = address.partition("@")
    outs = {Path(out.def_path): bool(out.metric or out.plot) for out in STAGES[address].outs}
    folder = Path("results", experiment, "studies", study)
    more = ("levels.csv", "grid.csv", "front.csv") if study == "energy" else ()
    assert outs == {folder / name: True for name in ("table.csv", "figures", "summary.json", *more)}


@pytest.mark.parametrize("experiment", PARAMS["matrix"])
def test_the_verdicts_are_metrics_in_git(experiment: str) -> None:
    outs = {Path(out.def_path): out for out in STAGES[f"report@{experiment}"].outs}
    assert {path.name for path in outs} == {"index.html", "claims.json"}
    claims = outs[Path("results", experiment, "report", "claims.json")]
    assert claims.metric
    assert not claims.use_cache


def test_a_full_repro_stays_quick() -> None:
    """DVC's own work grows with the square of the stages: `dvc status` took 4.4 s at 139 of them."""
    assert len(STAGES) < 150


@pytest.mark.parametrize("address", STAGES)
def test_what_belongs_to_dvc_is_not_in_git(address: str) -> None:
    for out in STAGES[address].outs:
        heavy = out.def_path.endswith((".safetensors", "models"))
        assert out.use_cache is heavy


class WatchedEntry:
    """An experiment's entry in the matrix that tells which part of it is read: its methods, its seeds, or more."""

    def __init__(self, entry: Matrix, key: str, keys: list[str]) -> None:
        self._entry, self._key, self._keys = entry, key, keys

    def __getattr__(self, name: str) -> Any:
        self._keys.append(f"{self._key}.{name}")
        return getattr(self._entry, name)


@pytest.fixture
def read_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """In a folder with tiny params: the list that grows by the key of all that is read.

    That is a block as a whole, but of an experiment's entry in the matrix each part by itself.
    """
    keys: list[str] = []
    validate = params_module.validate

    def recording(schema: type[Block], value: Any, key: str) -> Any:
        valid = validate(schema, value, key)
        if schema is Matrix:
            return WatchedEntry(valid, key, keys)
        if key.split(".")[0] in params_module.TOP_KEYS:  # the hardware profiles are a file of code, not of params.yaml
            keys.append(key)
        return valid

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(params_module, "validate", recording)
    write_params(tmp_path, tiny_params(methods=METHODS, seeds=[0], studies=STUDIES))
    keys.clear()
    yield keys


def declared(address: str) -> set[str]:
    """The params that a stage names; a whole entry of the matrix as its parts."""
    names = {name for dep in STAGES[address].deps for name in (getattr(dep, "params", None) or ())}
    whole = {name for name in names if re.fullmatch(r"matrix\.[^.]+", name)}
    return (names - whole) | {f"{name}.{part}" for name in whole for part in Matrix.model_fields}


def test_params_name_exactly_what_is_read(read_keys: list[str]) -> None:
    """The matrix included: a study that reads its seeds alone is not run again for another method."""
    prunes = [f"prune@digits-{method}-0" for method in METHODS]
    studies = [f"{study}@digits" for study in STUDIES]
    for address in ("data@digits", "train@digits-0", *prunes, *studies, "compare@digits", "report@digits"):
        module, *arguments = STAGES[address].cmd.split()[2:]
        read_keys.clear()
        importlib.import_module(module).main(arguments)
        assert declared(address) == set(read_keys), address


def test_the_parts_of_the_matrix_are_told_apart(read_keys: list[str]) -> None:
    """What the test above rests on."""
    params_module.load_seeds("digits")
    assert read_keys == ["matrix.digits.seeds"]
    assert params_module.load_matrix("digits").methods == METHODS
    assert read_keys == ["matrix.digits.seeds", "matrix.digits.methods"]
    reading_methods = {study for study in STUDIES if "matrix.digits.methods" in declared(f"{study}@digits")}
    assert reading_methods == {"paper", "temporal", "early_exit", "energy"}
    assert all("matrix.digits.seeds" in declared(f"{study}@digits") for study in STUDIES)


@pytest.mark.parametrize("experiment", PARAMS["matrix"])
def test_the_page_depends_on_the_file_that_says_which_studies_there_are(experiment: str) -> None:
    assert "matrix.yaml" in {dep.def_path for dep in STAGES[f"report@{experiment}"].deps}
