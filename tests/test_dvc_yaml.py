"""Holds dvc.yaml against the code: every stage names what it imports and the params it reads, and nothing else."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline import matrix
from pipeline.io import params as params_module
from pipeline.io.params import Matrix, Runtime, read_params
from pipeline.study import available
from snnprune.core.schema import Block
from tests.committed import stages
from tests.imports import PROJECT, imported_files
from tests.tiny import METHODS, tiny_params, write_params

PARAMS = YAML(typ="safe").load(PROJECT / "params.yaml")
MATRIX = matrix.stages_of(read_params(PROJECT / "params.yaml"))
ADDRESSES = [f"{stage}@{name}" for stage, names in MATRIX.items() for name in names]
# Loaded by name: the module that the stage's second argument names, or all of a folder.
BY_ARGUMENT = {"prune": "snnprune.methods", "study": "pipeline.studies"}
BY_STAGE = {"report": "pipeline.report.studies", "export": "snnprune.export"}
PRICES = Path("snnprune/energy/profiles.json")
# Used as files: the module is logged into MLflow, the prices are read.
FILES = {"track": {Path("flows/tracking/served_model.py"), PRICES}, "compare": {PRICES}}


def code_deps(address: str) -> list[Path]:
    """The dependencies that are code: a .py file or a folder of them, relative to the project."""
    deps = [Path(dep.def_path) for dep in stages()[address].deps]
    return [dep for dep in deps if dep.parts[0] in ("snnprune", "pipeline", "flows")]


def files_of(address: str) -> set[Path]:
    """The project's files that a stage's command imports."""
    words = stages()[address].cmd.split()
    stage = address.partition("@")[0]
    modules = [words[words.index("-m") + 1]]
    if stage in BY_ARGUMENT:
        modules.append(f"{BY_ARGUMENT[stage]}.{words[4]}")
    if stage in BY_STAGE:
        folder = PROJECT.joinpath(*BY_STAGE[stage].split("."))
        modules += [f"{BY_STAGE[stage]}.{path.stem}" for path in folder.iterdir() if not path.stem.startswith("_")]
    return {file for module in modules for file in imported_files(module)} | FILES.get(stage, set())


def covers(dep: Path, file: Path) -> bool:
    return dep == file or dep in file.parents


@pytest.mark.parametrize("address", ADDRESSES)
def test_deps_are_the_files_that_are_imported_or_folders_with_some_of_them(address: str) -> None:
    files, deps = files_of(address), code_deps(address)
    assert not {file for file in files if not any(covers(dep, file) for dep in deps)}, "imported, but no dependency"
    assert not {dep for dep in deps if not any(covers(dep, file) for file in files)}, "a dependency, but not imported"


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_path_is_named_twice_heavy_outs_are_dvcs_and_the_run_cache_takes_them(address: str) -> None:
    """The run cache takes a stage only when its outs that DVC does not keep are metrics or plots."""
    paths = [dep.def_path for dep in stages()[address].deps if not hasattr(dep, "params")]
    assert len(paths) == len(set(paths))
    for out in stages()[address].outs:
        assert out.use_cache is out.def_path.endswith((".safetensors", "nets"))
        assert out.use_cache or out.metric or out.plot or address.startswith(("data@", "track@"))


def test_what_trains_depends_on_no_method_or_study_but_its_own() -> None:
    for address in stages():
        stage, _, name = address.partition("@")
        if stage in ("train", "prune", "evaluate", "export", "study"):
            deps = {dep.as_posix() for dep in code_deps(address)}
            assert not deps & {"snnprune", "snnprune/methods", "pipeline", "pipeline/studies"}
            methods = {dep for dep in deps if dep.startswith("snnprune/methods/")}
            allowed = {"prune": name.split("-")[-2], "study": "cqp"}.get(stage) if "-" in name else None
            assert methods <= {f"snnprune/methods/{allowed}.py"}, address


def test_the_stages_are_those_of_the_matrix() -> None:
    assert set(stages()) == set(ADDRESSES)
    assert set(YAML(typ="safe").load(PROJECT / "dvc.yaml")["stages"]) == set(MATRIX)


def test_a_full_repro_stays_quick() -> None:
    """DVC's own work grows with the square of the stages: `dvc status` took 4.2 s at 259 of them, so about 16 s at 500
    (`make run` asks for one experiment's stages)."""
    assert len(stages()) < 500


class WatchedBlock:
    """A block that tells which part of it is read: of an experiment's entry in the matrix its methods or its seeds."""

    def __init__(self, block: Block, key: str, keys: list[str]) -> None:
        self._block, self._key, self._keys = block, key, keys

    def __getattr__(self, name: str) -> Any:
        self._keys.append(f"{self._key}.{name}")
        return getattr(self._block, name)


@pytest.fixture
def read_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """In a folder with tiny params: the list that grows by the key of all that is read.

    That is a block as a whole, but of `runtime` and of an experiment's entry in the matrix each part by itself.
    """
    keys: list[str] = []
    validate = params_module.validate

    def recording(schema: type[Block], value: Any, key: str) -> Any:
        valid = validate(schema, value, key)
        if schema in (Matrix, Runtime):
            return WatchedBlock(valid, key, keys)
        if key.split(".")[0] in params_module.TOP_KEYS:  # the hardware profiles are a file of code, not of params.yaml
            keys.append(key)
        return valid

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(params_module, "validate", recording)
    write_params(tmp_path, tiny_params(methods=METHODS, seeds=[0], studies=tuple(available())))
    keys.clear()
    yield keys


def stage_of(address: str) -> tuple[str, set[str]]:
    """A stage's command and the params that it names; of a study that digits has not, those of mnist's."""
    stage = stages().get(address) or stages()[address.replace("digits", "mnist")]
    names = {name for dep in stage.deps for name in (getattr(dep, "params", None) or ())}
    return stage.cmd.replace(" mnist", " digits"), {name.replace(".mnist", ".digits") for name in names}


def declared(address: str) -> set[str]:
    """The params that a stage names; a whole entry of the matrix as its parts."""
    _, names = stage_of(address)
    whole = {name for name in names if re.fullmatch(r"matrix\.[^.]+", name)}
    return (names - whole) | {f"{name}.{part}" for name in whole for part in Matrix.model_fields}


def test_params_name_exactly_what_is_read(read_keys: list[str]) -> None:
    """The matrix included: a study that reads its seeds alone is not run again for another method."""
    prunes = [f"prune@digits-{method}-0" for method in METHODS]
    studies = [f"study@digits-{study}" for study in sorted(available(), key=lambda study: study == "energy")]
    first, last = ["data@digits", "train@digits-0"], ["compare@digits", "report@digits"]
    for address in (*first, *prunes, "evaluate@digits", "export@digits", *studies, *last):
        module, *arguments = stage_of(address)[0].split()[2:]
        read_keys.clear()
        importlib.import_module(module).main(arguments)
        assert declared(address) == set(read_keys), address
