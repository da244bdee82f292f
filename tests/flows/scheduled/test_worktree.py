"""Git worktrees for the runs of deployments."""

import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from ruamel.yaml import YAML

from flows.engine.workspace import LOCK
from flows.scheduled.prefect_flow import override
from flows.scheduled.worktree import prepare
from flows.tracking.location import project_of
from snnprune.core.errors import UserError
from tests.flows.conftest import dvc
from tests.tiny import commit, make_repository, run


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


def test_it_is_at_the_commit_and_has_the_cache_and_the_data_of_the_project(root: Path) -> None:
    folder = prepare(root, "nightly")
    assert folder == root / ".worktrees/nightly"
    assert "editing" not in (folder / "params.yaml").read_text()
    assert "editing" in (root / "params.yaml").read_text()
    assert dvc(folder, "cache", "dir").strip() == str(root / ".dvc/cache")
    assert (folder / "data/raw").resolve() == root / "data/raw"
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
    left = [folder / "results/digits/prune/old" / name for name in ("levels.csv", "seed0/nets/level-0.50.safetensors")]
    for path in (*kept, *left):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of an earlier run")
    (folder / "params.yaml").write_text("overridden: true\n")
    commit(root)
    assert prepare(root, "nightly") == folder
    assert "a person is editing" in (folder / "params.yaml").read_text()
    assert all(path.is_file() for path in kept)
    assert (root / "data/raw/downloaded").is_file()
    assert not (folder / "results").exists()


def test_the_projects_git_hooks_are_left_out_and_a_deleted_folder_is_made_anew(root: Path, tmp_path: Path) -> None:
    hook = root / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    shutil.rmtree(prepare(root, "nightly"))
    assert (prepare(root, "nightly") / "params.yaml").is_file()
    assert not (tmp_path / "hooked").exists()


def test_what_has_no_worktree_of_its_own_is_named(root: Path, tmp_path: Path) -> None:
    with FileLock(prepare(root, "nightly") / LOCK), pytest.raises(UserError):
        prepare(root, "nightly")
    with pytest.raises(UserError, match="not a git repository"):
        prepare(tmp_path, "nightly")
    with pytest.raises(
        UserError, match="pipeline is a folder of a larger git repository; deployments need a project at"
    ):
        prepare(root / "pipeline", "nightly")


def test_only_such_a_worktree_belongs_to_the_project(root: Path) -> None:
    assert project_of(prepare(root, "nightly")) == root == project_of(root)
    run(root, "git", "worktree", "add", "--quiet", "../my-own")
    assert project_of(root.parent / "my-own") == root.parent / "my-own"


def test_overrides_change_the_worktree_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prepare(root, "on-demand"))
    override(["matrix.digits.seeds=[0]", "experiments.digits.train.epochs=7"])
    params = YAML(typ="safe").load(Path("params.yaml"))
    assert (params["matrix"]["digits"]["seeds"], params["experiments"]["digits"]["train"]["epochs"]) == ([0], 7)
    params = YAML(typ="safe").load(root / "params.yaml")
    assert (params["matrix"]["digits"]["seeds"], params["experiments"]["digits"]["train"]["epochs"]) == ([0, 1], 3)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("matrix.digits.methods=[best]", "matrix.digits.methods: 'best' is none of those"),
        ("matrix.digits.seeds=[0, 0]", r"matrix.digits.seeds: entries must differ; found \[0, 0\]"),
        ("experiments.digits.prune.levels=[1.5]", r"experiments.digits.prune.levels\[0\]: "),
        ("experiments.digits.trian.epochs=3", "trian"),
        ("epochs", "epochs"),
    ],
)
def test_overrides_that_are_not_allowed_are_named(root: Path, monkeypatch, wanted: str, message: str) -> None:
    monkeypatch.chdir(prepare(root, "on-demand"))
    with pytest.raises(UserError, match=message):
        override([wanted])


def test_overrides_never_change_a_persons_own_folder(root: Path) -> None:
    before = (root / "params.yaml").read_text()
    with pytest.raises(UserError, match="not your own folder"):
        override(["matrix.digits.seeds=[0]"])
    assert (root / "params.yaml").read_text() == before
