"""What `clean` lists and removes, and what it must not touch."""

import json
import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import ViewType

from flows.engine.workspace import LOCK
from flows.retention.clean import clean
from flows.retention.kept import kept_hashes
from flows.scheduled.worktree import prepare
from flows.tracking import superseded
from flows.tracking.replay import track
from snnprune.core.errors import UserError
from tests.flows.conftest import dvc, store_of
from tests.flows.tracking.conftest import named, search
from tests.tiny import commit, run

OLD, PART = "ab" + 30 * "0", "cd" + 30 * "1"  # MD5 of nothing that is in use


def lines(capsys: pytest.CaptureFixture, *, yes: bool = False) -> list[str]:
    capsys.readouterr()
    clean(yes=yes)
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith("tracking")]


def counts(printed: list[str]) -> list[int]:
    """Of runs, files of the cache, worktrees, resume points."""
    return [int(line.split()[0]) for line in printed[:4]]


def put_into_cache(root: Path, value: str, content: str) -> Path:
    path = root / ".dvc/cache/files/md5" / value[:2] / value[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def rerun_study(root: Path) -> None:
    """With another param: the study and what needs it have new results, and MLflow too."""
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("layers: {levels: [0.5]}", "layers: {levels: [0.75]}"))
    dvc(root, "repro", "-q", "report@tiny")
    track()


def everything(root: Path) -> dict[str, bytes]:
    files = [path for path in root.rglob("*") if path.is_file() and "tmp" not in path.parts]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_what_is_in_use_stays(project: Path, capsys) -> None:
    track()
    before = everything(project)
    printed = lines(capsys, yes=True)
    assert counts(printed) == [0, 0, 0, 0]
    assert printed[-1] == "removed: 0 bytes"
    after = everything(project)
    assert {
        name for name in before if before[name] != after.get(name) and not name.startswith("mlruns/mlflow")
    } == set()
    assert "up to date" in dvc(project, "status", "report@tiny", "--with-deps")


def test_superseded_runs_go_with_their_files_once_it_is_said(project: Path, capsys) -> None:
    track()
    old = named(project, "study/layers").info
    rerun_study(project)
    superseded = [run for run in search(project) if run.data.tags["current"] == "false"]
    assert old.run_id in {run.info.run_id for run in superseded}
    folder = project / "mlruns/artifacts/tiny" / old.run_id
    assert folder.is_dir()
    listed = lines(capsys)
    assert listed[0].startswith(f"{len(superseded)} superseded MLflow runs: ")
    assert listed[-1].endswith("can be removed: snnprune clean --yes") and folder.is_dir()
    current = {run.info.run_id for run in search(project)} - {run.info.run_id for run in superseded}
    lines(capsys, yes=True)
    assert not folder.exists()
    client = MlflowClient(store_of(project))
    experiment = client.get_experiment_by_name("tiny").experiment_id
    assert {run.info.run_id for run in client.search_runs([experiment], "", ViewType.ALL)} == current
    assert counts(lines(capsys)) == [0, 0, 0, 0]


def test_a_result_that_a_branch_or_a_tag_names_stays(project: Path, capsys) -> None:
    track()
    commit(project)
    run(project, "git", "tag", "before")
    rerun_study(project)
    commit(project)
    assert counts(lines(capsys))[:2] == [0, 0]
    run(project, "git", "tag", "--delete", "before")
    run(project, "git", "checkout", "--quiet", "--orphan", "anew")
    commit(project)
    for branch in run(project, "git", "branch", "--format=%(refname:short)").split():
        if branch != "anew":
            run(project, "git", "branch", "--quiet", "-D", branch)
    assert counts(lines(capsys))[0] > 0


def test_what_a_registered_version_was_made_from_always_stays(project: Path, capsys) -> None:
    track()
    client = MlflowClient(store_of(project))
    made_from = named(project, "study/layers").info.run_id
    client.create_registered_model("edge")
    client.create_model_version("edge", f"runs:/{made_from}/model", made_from)
    rerun_study(project)
    lines(capsys, yes=True)
    assert client.get_run(made_from).info.lifecycle_stage == "active"
    assert (project / "mlruns/artifacts/tiny" / made_from).is_dir()
    assert [version.run_id for version in client.search_model_versions()] == [made_from]


def test_versions_on_mlflows_second_page_keep_theirs_too(project: Path, capsys, monkeypatch) -> None:
    track()
    client = MlflowClient(store_of(project))
    made_from = [named(project, name).info.run_id for name in ("study/layers", "report")]
    client.create_registered_model("edge")
    for run_id in made_from:
        client.create_model_version("edge", f"runs:/{run_id}/model", run_id)
    rerun_study(project)
    whole = MlflowClient.search_model_versions
    small = lambda self, *query, **options: whole(self, *query, **{**options, "max_results": 1})  # noqa: E731
    monkeypatch.setattr(MlflowClient, "search_model_versions", small)
    lines(capsys, yes=True)
    assert [client.get_run(run_id).info.lifecycle_stage for run_id in made_from] == ["active", "active"]


def test_no_run_is_removed_while_a_promotion_may_register_it(project: Path, capsys, monkeypatch) -> None:
    track()
    rerun_study(project)
    lock, held = project / "mlruns/promotion.lock", []

    def watched(function):
        def called(*arguments):
            with pytest.raises(Timeout), FileLock(lock, timeout=0):
                pass
            held.append(function.__name__)
            return function(*arguments)

        return called

    for name in ("find_superseded", "remove_superseded"):
        monkeypatch.setattr(superseded, name, watched(getattr(superseded, name)))
    before = len(search(project))
    with monkeypatch.context() as impatient, FileLock(lock):
        impatient.setattr("flows.tracking.store.LOCK_SECONDS", 0)
        assert lines(capsys, yes=True)[0].startswith("MLflow cannot be used, its runs are left alone: The file lock")
    assert (held, len(search(project))) == ([], before)
    lines(capsys, yes=True)
    assert held == ["find_superseded", "remove_superseded"]
    assert len(search(project)) < before
    with FileLock(lock, timeout=0):
        pass


def test_unused_cache_goes_and_a_folders_files_stay_with_its_list(project: Path, capsys) -> None:
    old = put_into_cache(project, OLD, "12345")
    assert lines(capsys)[1] == "1 files in DVC's cache that no dvc.lock names: 5 bytes"
    part = put_into_cache(project, PART, "of a folder")
    listing = put_into_cache(project, f"{OLD}.dir", json.dumps([{"md5": PART, "relpath": "a"}]))
    (project / "other.dvc").write_text(f"outs:\n- md5: {OLD}.dir\n  path: other\n")
    lines(capsys, yes=True)
    assert (old.exists(), part.exists(), listing.exists()) == (False, True, True)
    shutil.rmtree(project / "results")
    dvc(project, "checkout", "-q", "train@tiny-0", "prune@tiny-cqp-0")
    assert len(list((project / "results").rglob("*.safetensors"))) == 3


def test_entries_of_the_run_cache_go_with_their_files(project: Path, capsys) -> None:
    put_into_cache(project, OLD, "12345")
    entry = project / ".dvc/cache/runs/ab" / OLD / PART
    entry.parent.mkdir(parents=True)
    entry.write_text(f"cmd: x\nouts:\n- path: y\n  md5: {OLD}\n")
    kept = [path for path in (project / ".dvc/cache/runs").rglob("*") if path.is_file() and path != entry]
    assert kept
    lines(capsys, yes=True)
    assert not entry.exists()
    assert all(path.is_file() for path in kept)


def test_a_cache_outside_the_project_is_left_alone(project: Path, tmp_path: Path, capsys) -> None:
    dvc(project, "cache", "dir", "--local", str(tmp_path / "shared"))
    printed = lines(capsys, yes=True)
    assert printed[0].startswith("DVC's cache lies outside this project")


def test_worktrees_without_a_deployment_go(project: Path, capsys) -> None:
    (project / ".gitignore").open("a").write(".worktrees/\n/data/\n")
    (project / "prefect.yaml").write_text("deployments: [{name: nightly}]\n")
    commit(project)
    nightly, retired = prepare(project, "nightly"), prepare(project, "retired")
    download = project / "data/raw/downloaded"
    download.write_text("the project's")
    printed = lines(capsys, yes=True)
    assert printed[2].startswith("1 worktrees without a deployment in prefect.yaml: ")
    assert (nightly.is_dir(), retired.exists(), download.is_file()) == (True, False, True)
    assert "retired" not in run(project, "git", "worktree", "list")


@pytest.mark.parametrize("text", ["", "name: a", "deployments:", "deployments: [{}]", "deployments: [", "- a"])
def test_a_list_of_no_deployments_is_named_and_nothing_is_removed(project: Path, text: str) -> None:
    (project / ".gitignore").open("a").write(".worktrees/\n")
    commit(project)
    nightly = prepare(project, "nightly")
    (project / "prefect.yaml").write_text(text)
    with pytest.raises(UserError, match=r"^prefect\.yaml: expected `deployments:`, a list of entries with a name"):
        clean(yes=True)
    assert nightly.is_dir()


def test_of_resume_points_the_newest_stay(project: Path, capsys) -> None:
    stay = [".resume/train/tiny/seed0/new/net.pt", ".resume/shared/tiny/seed0/a.pt"]
    go = [".resume/train/tiny/seed0/old/net.pt", ".resume/prune/gone/cqp/seed0/new/level-0.5.pt"]
    for path in [*go, *stay]:
        (project / path).parent.mkdir(parents=True)
        (project / path).write_text("1234")
    os.utime(project / go[0], (1, 1))
    assert lines(capsys, yes=True)[3] == "2 stale resume points: 8 bytes"
    assert [path for path in [*go, *stay] if (project / path).exists()] == stay


def test_it_refuses_while_a_flow_runs_here_or_in_a_worktree(project: Path, capsys) -> None:
    put_into_cache(project, OLD, "12345")
    (project / ".gitignore").open("a").write(".worktrees/\n")
    commit(project)
    for folder in (project, prepare(project, "nightly")):
        with FileLock(folder / LOCK), pytest.raises(UserError, match="another flow is running in"):
            clean(yes=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(project / ".worktrees/nightly")
        with pytest.raises(UserError, match="this is a worktree of scheduled runs"):
            clean(yes=True)
    assert (project / ".dvc/cache/files/md5" / OLD[:2] / OLD[2:]).is_file()


def test_every_spelling_of_a_hash_is_found() -> None:
    text = f"- md5: {OLD}\n- md5: {PART}.dir\n- md5: '{30 * '2'}ef'\n- etag: {32 * '3'}\n"
    assert kept_hashes([text]) == {OLD, f"{PART}.dir", f"{30 * '2'}ef"}
