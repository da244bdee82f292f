"""Worktrees for scheduled runs, and what narrows an experiment in them."""

import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from ruamel.yaml import YAML

from flows.narrow import narrow
from flows.narrowed import mlflow_name, tags
from flows.workspace import LOCK, WorkspaceBusy
from flows.worktree import WorktreeError, main, prepare
from pipeline.blocks import REQUIRED, STUDIES
from snnprune.core.errors import UserError
from tests.flows.conftest import dvc
from tests.tiny import METHODS, SEEDS, make_repository, run, tiny_params, write_params


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("worktree") / "project")


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, as the working folder; an uncommitted edit is in params.yaml."""
    folder = tmp_path / "project"
    run(made, "git", "clone", "--quiet", str(made), str(folder))
    monkeypatch.chdir(folder)
    with (folder / "params.yaml").open("a") as params:
        params.write("# a person is editing\n")
    return folder


def commit(root: Path, message: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    run(root, "git", *identity, "commit", "--quiet", "--all", "--message", message)


def test_it_is_at_the_commit_and_has_the_cache_and_the_data_of_the_project(root: Path) -> None:
    (root / "data/raw").mkdir(parents=True)
    (root.parent / "shared").mkdir()
    folder = prepare(root, "nightly")
    assert folder == root / ".worktrees/nightly"
    assert "editing" not in (folder / "params.yaml").read_text()
    assert "editing" in (root / "params.yaml").read_text()
    assert dvc(folder, "cache", "dir").strip() == str(root / ".dvc/cache")
    assert (folder / "data/raw").resolve() == root / "data/raw"
    assert (folder / "../shared").resolve() == (root.parent / "shared").resolve()
    assert "nightly" not in dvc(root, "stage", "list")  # DVC does not take it for a part of the project


def test_the_cache_is_the_one_that_the_project_uses_wherever_that_is(root: Path) -> None:
    dvc(root, "cache", "dir", "--local", "../elsewhere")
    dvc(root, "remote", "add", "--local", "store", "https://example.org/%7Edata")
    folder = prepare(root, "nightly")
    assert dvc(folder, "cache", "dir").strip() == str(root.parent / "elsewhere")
    assert "https://example.org/%7Edata" in dvc(folder, "remote", "list")


def test_it_follows_the_project_and_keeps_only_resume_points_and_data(root: Path) -> None:
    folder = prepare(root, "nightly")
    kept = [folder / ".resume/point.pt", folder / "data/raw/downloaded"]
    left = [folder / "results/digits/prune/old" / name for name in ("levels.csv", "seed0/models/level-0.5.safetensors")]
    for path in (*kept, *left):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of an earlier run")
    (folder / "params.yaml").write_text("narrowed: true\n")
    commit(root, "edited")
    assert prepare(root, "nightly") == folder
    assert "a person is editing" in (folder / "params.yaml").read_text()
    assert all(path.is_file() for path in kept)
    assert (root / "data/raw/downloaded").is_file()
    assert not (folder / "results").exists()


def test_the_projects_git_hooks_are_left_out(root: Path, tmp_path: Path) -> None:
    hook = root / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    prepare(root, "nightly")
    assert not (tmp_path / "hooked").exists()


def test_a_folder_that_someone_deleted_is_made_anew(root: Path) -> None:
    shutil.rmtree(prepare(root, "nightly"))
    assert (prepare(root, "nightly") / "params.yaml").is_file()


def test_a_folder_in_use_and_an_unknown_commit_are_errors(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = prepare(root, "nightly")
    with FileLock(folder / LOCK), pytest.raises(WorkspaceBusy):
        prepare(root, "nightly")
    with pytest.raises(WorktreeError, match="no-such-branch"):
        prepare(root, "nightly", "no-such-branch")
    assert main(["--name", "nightly", "--commit", "nope"]) == 1
    assert capsys.readouterr().err.startswith("error: git rev-parse")
    assert main(["--name", "nightly"]) == 0
    assert capsys.readouterr().out == f"{folder}\n"


@pytest.fixture
def worktree(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = prepare(root, "on-demand")
    monkeypatch.chdir(folder)
    return folder


def test_an_experiment_is_narrowed_in_the_worktree_alone(root: Path, worktree: Path) -> None:
    before = (root / "params.yaml").read_text()
    narrow("digits", methods=["magnitude"], levels=[0.8], seeds=[5, 6])
    tree = YAML(typ="safe").load(worktree / "params.yaml")
    assert tree["matrix"]["digits"] == {"methods": ["magnitude"], "seeds": [5, 6]}
    assert tree["experiments"]["digits"]["prune"]["levels"] == [0.8]
    assert (root / "params.yaml").read_text() == before


def test_studies_that_would_not_fit_are_left_out(worktree: Path) -> None:
    write_params(worktree, tiny_params(studies=STUDIES))
    narrow("digits", methods=["magnitude"], seeds=[1])
    blocks = YAML(typ="safe").load(worktree / "params.yaml")["experiments"]["digits"]
    assert set(blocks) == set(REQUIRED)


def test_levels_take_the_place_of_a_schedule(worktree: Path) -> None:
    params = tiny_params()
    prune = params["experiments"]["digits"]["prune"]
    del prune["levels"]
    prune["schedule"] = {"name": "linear", "final": 0.9, "rounds": 3}
    write_params(worktree, params)
    narrow("digits", levels=[0.5, 0.8])
    prune = YAML(typ="safe").load(worktree / "params.yaml")["experiments"]["digits"]["prune"]
    assert prune["levels"] == [0.5, 0.8] and "schedule" not in prune


def test_a_narrowed_folder_is_shown_apart_until_it_is_prepared_again(root: Path, worktree: Path) -> None:
    narrow("digits", methods=METHODS, seeds=SEEDS)  # as it stands in params.yaml
    assert (mlflow_name("digits", worktree), tags(worktree)) == ("digits", {})
    narrow("digits", methods=METHODS, levels=[0.8])
    assert (mlflow_name("digits", worktree), tags(worktree)) == ("digits.narrowed", {"narrowed": '{"levels": [0.8]}'})
    prepare(root, "on-demand")
    assert (mlflow_name("digits", worktree), tags(worktree)) == ("digits", {})


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"methods": ["best"]}, "digits has no method 'best'; it has: cqp, magnitude"),
        ({"methods": []}, "matrix.digits.methods: "),
        ({"levels": [0.9, 0.5]}, "experiments.digits.prune.levels: "),
        ({"levels": [1.5]}, r"experiments.digits.prune.levels\[0\]: "),
        ({"seeds": [0, 0]}, r"matrix.digits.seeds: entries must differ; found \[0, 0\]"),
    ],
)
def test_what_is_not_allowed_is_named_and_nothing_changed(worktree: Path, wanted: dict, message: str) -> None:
    before = (worktree / "params.yaml").read_text()
    with pytest.raises(UserError, match=message):
        narrow("digits", **wanted)
    assert (worktree / "params.yaml").read_text() == before
    assert tags(worktree) == {}


def test_an_unknown_experiment_lists_the_choices(worktree: Path) -> None:
    with pytest.raises(UserError, match="no experiment 'nope'; the matrix in params.yaml has: digits"):
        narrow("nope", seeds=[1])


def test_a_persons_own_folder_is_never_narrowed(root: Path) -> None:
    before = (root / "params.yaml").read_text()
    with pytest.raises(UserError, match="need a git worktree of its own"):
        narrow("digits", seeds=[1])
    narrow("digits")  # nothing asked, nothing changed
    assert (root / "params.yaml").read_text() == before
