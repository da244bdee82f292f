"""DVC as a library: its graph, and every step the same as `dvc repro` does it, byte for byte."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.engine.dvc import Project, apply_overrides, cache_folder, timeout_of
from flows.engine.engine import FlowFailed
from flows.engine.lockfile import read_lock
from flows.engine.stage import StageFailed
from flows.environment import stage_environment
from pipeline import matrix
from snnprune.core.errors import UserError
from tests.flows.conftest import dvc, run_dvc, toy
from tests.flows.engine.flow import bring_up, outcomes
from tests.imports import PROJECT
from tests.tiny import commit, run

CLEAN = "Data and pipelines are up to date.\n"


def test_every_stage_comes_after_those_it_needs(fresh: Path) -> None:
    stages = Project(fresh).needed_for("track@tiny")
    addresses = [stage.address for stage in stages]
    assert sorted(addresses) == Project(fresh).addresses()
    for index, stage in enumerate(stages):
        assert set(stage.upstream) <= set(addresses[:index])


def test_what_has_the_longest_way_comes_first_and_of_equals_what_joins_most(tmp_path: Path) -> None:
    stages = """\
  a: {cmd: echo a > a, outs: [a]}
  b: {cmd: echo b > b, outs: [b]}
  needs_b: {cmd: cp b needs_b, deps: [b], outs: [needs_b]}
  z: {cmd: cat a needs_b > z, deps: [a, needs_b], outs: [z]}
"""
    found = Project(toy(tmp_path, stages)).needed_for("z")
    assert [stage.address for stage in found] == ["b", "needs_b", "a", "z"]


def test_the_graph_is_dvcs_and_a_cycle_is_named_by_it(fresh: Path) -> None:
    project = Project(fresh)
    theirs = project._repo.index.graph
    assert set(project._graph.edges) == set(theirs.edges)
    assert set(project._graph.nodes) == set(theirs.nodes)
    ring = "".join(f"  {a}: {{cmd: x, deps: [{b}], outs: [{a}]}}\n" for a, b in ("ab", "bc", "ca"))
    (fresh / "dvc.yaml").write_text(f"stages:\n{ring}")
    with pytest.raises(UserError, match="defined as both a dependency and an output in stages|has a cycle"):
        Project(fresh)


def test_an_unknown_target_lists_the_choices(fresh: Path) -> None:
    with pytest.raises(UserError, match=r"no stage 'track@nope'; there are: compare@tiny, data@tiny, .*track@tiny"):
        Project(fresh).needed_for("track@nope")


def test_what_is_no_project_of_ours_is_an_error(tmp_path: Path, fresh: Path) -> None:
    with pytest.raises(UserError, match=str(tmp_path)):
        Project(tmp_path)
    (fresh / "other").mkdir()
    (fresh / "other" / "dvc.yaml").write_text("stages: {a: {cmd: echo}}\n")
    with pytest.raises(UserError, match="stages of other folders are not run by a flow: .*other/dvc.yaml"):
        Project(fresh)
    (fresh / "matrix.yaml").write_text("stages: {}\n")
    with pytest.raises(UserError, match=r"stages\.data"):
        Project(fresh)


@pytest.mark.parametrize("found", [0, -1, "1 h", True, [5]])
def test_a_timeout_is_a_number_of_seconds(found: object) -> None:
    assert timeout_of("a", None) is timeout_of("a", {"owner": "me"}) is None
    assert timeout_of("a", {"timeout": 5}) == 5
    with pytest.raises(UserError, match="a: meta.timeout: expected seconds, a number above 0; found "):
        timeout_of("a", {"timeout": found})


@pytest.mark.parametrize("before", ["ours", "dvc"])
def test_anchors_merge_keys_and_flow_style_in_params_give_a_file_that_stays_valid(fresh: Path, before: str) -> None:
    (fresh / "params.yaml").write_text("""\
matrix: {tiny: {methods: [cqp, magnitude], seeds: [0]}}
experiments:
  base: {data: {classes: &one [3, 4], none: &none []}, train: &train {epochs: 2, empty: *none}}
  tiny:
    data: {classes: *one, more: *one, none: *none, no: *none}
    train: {<<: *train, lr: 0.1, a: *one, b: *one, c: *none}
    prune: {levels: *one, finetune: {epochs: *one}}
    layers: {levels: *one, more: *one}
""")
    bring_up(fresh, "report@tiny") if before == "ours" else dvc(fresh, "repro", "report@tiny")
    for old, new in (("[3, 4]", "[3, 5]"), ("epochs: 2", "epochs: 3")):
        (fresh / "params.yaml").write_text((fresh / "params.yaml").read_text().replace(old, new))
        bring_up(fresh, "report@tiny")
        assert read_lock(fresh)["train@tiny-0"]["params"]["params.yaml"]["experiments.tiny.train"]["a"][0] == 3
        assert dvc(fresh, "status", "report@tiny", "--with-deps") == CLEAN
    assert before == "dvc" or "&id" not in (fresh / "dvc.lock").read_text()


def test_the_documented_ways_back_need_no_weights_of_other_experiments(fresh: Path, tmp_path: Path) -> None:
    params, stage = (fresh / "params.yaml").read_text(), (fresh / "stage.py").read_text()
    matrix_text, blocks = params.split("experiments:\n")
    tiny = "  tiny: {methods: [cqp, magnitude], seeds: [0]}\n"
    both = matrix_text + tiny.replace("tiny", "digits") + "experiments:\n" + blocks + blocks.replace("tiny", "digits")
    (fresh / "params.yaml").write_text(both)
    (fresh / "stage.py").write_text(stage.replace('f"dense {rest}"', 'f"dense {experiment} {rest}"'))
    matrix.update()
    dvc(fresh, "repro", "report@tiny", "report@digits")
    commit(fresh)
    clone = tmp_path / "clone"
    run(fresh, "git", "clone", "--quiet", str(fresh), str(clone))
    dvc(clone, "repro", "report@digits")
    text = (PROJECT / "docs/pipeline.md").read_text(encoding="utf-8")
    commands = re.findall(r"^(?:dvc exp run|dvc exp apply|git checkout) .*", text, flags=re.MULTILINE)
    assert len(commands) == 3
    assert run_dvc(clone, "checkout").returncode == 255
    for command in commands:
        run(clone, "sh", "-c", command)
        is_back = command.startswith("git")
        assert ("epochs: 5" in (clone / "params.yaml").read_text()) != is_back
        assert dvc(clone, "status", "compare@digits", "--with-deps") == CLEAN


def test_a_full_disk_is_the_stages_failure(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Project, stage: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Project, "_record", full)
    with pytest.raises(FlowFailed, match=r"data@tiny failed: DVC: .*No space left on device"):
        bring_up(fresh, "report@tiny")
    monkeypatch.undo()
    monkeypatch.chdir(fresh)
    assert set(outcomes(bring_up(fresh, "report@tiny")).values()) <= {"ran", "cached"}


def test_a_project_without_git_is_one_line(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(fresh.parent))
    shutil.rmtree(fresh / ".git")
    with pytest.raises(UserError, match=r"is not a git repository, which DVC needs .*: git init$"):
        Project(fresh)


@pytest.mark.parametrize("name", ["a{b}", "${x}", "odd\udcff"])
def test_a_folder_whose_name_dvc_cannot_take_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    expected = (
        f"{str(tmp_path / name)!a}: DVC cannot work in a folder with {{, }} or bytes that are no UTF-8; rename it"
    )
    with pytest.raises(UserError, match=f"^{re.escape(expected)}$"):
        Project(tmp_path / name)


@pytest.mark.parametrize("autostage", [False, True])
def test_a_flow_leaves_what_dvc_repro_leaves(fresh: Path, tmp_path: Path, autostage: bool) -> None:
    if autostage:
        dvc(fresh, "config", "--local", "core.autostage", "true")
    by_dvc = Path(shutil.copytree(fresh, tmp_path / "by_dvc", symlinks=True))
    assert set(outcomes(bring_up(fresh, "report@tiny")).values()) == {"ran"}
    dvc(by_dvc, "repro", "report@tiny")
    assert files_of(fresh) == files_of(by_dvc)
    assert read_lock(fresh) == read_lock(by_dvc)
    assert runs_of(fresh) == runs_of(by_dvc)
    assert sorted(git_status(fresh)) == sorted(git_status(by_dvc))
    assert dvc(fresh, "status", "report@tiny", "--with-deps") == CLEAN
    changed = (fresh / "params.yaml").read_text().replace("lr: 0.1", "lr: 0.2")
    shutil.copy(by_dvc / "dvc.lock", fresh / "dvc.lock")  # the order is that in which stages end
    for root in (fresh, by_dvc):
        (root / "params.yaml").write_text(changed)
    bring_up(fresh, "report@tiny")
    dvc(by_dvc, "repro", "report@tiny")
    assert (fresh / "dvc.lock").read_bytes() == (by_dvc / "dvc.lock").read_bytes()
    assert not list(fresh.rglob("*.partial"))


@pytest.mark.parametrize("cache_type", ["copy", "symlink", "hardlink"])
def test_lost_results_come_from_the_run_cache_uncached_ones_included(project: Path, cache_type: str) -> None:
    dvc(project, "config", "--local", "cache.type", cache_type)
    before = files_of(project)
    shutil.rmtree(project / "results/tiny/train")
    shutil.rmtree(project / "results/tiny/prune/cqp")
    done = outcomes(bring_up(project, "report@tiny"))
    assert {address for address, outcome in done.items() if outcome == "cached"} == {"train@tiny-0", "prune@tiny-cqp-0"}
    assert "ran" not in done.values()
    model = project / "results/tiny/train/seed0/model.safetensors"
    assert model.is_symlink() == (cache_type == "symlink")
    assert (model.stat().st_nlink == 2) == (cache_type == "hardlink")
    assert files_of(project) == before
    # An earlier result, whose entry dvc.lock has no more, as well: the cache is asked by inputs, not by the entry.
    params = project / "params.yaml"
    original = params.read_text()
    params.write_text(original.replace("lr: 0.1", "lr: 0.2"))
    assert outcomes(bring_up(project, "train@tiny-0"))["train@tiny-0"] == "ran"
    params.write_text(original)
    assert outcomes(bring_up(project, "train@tiny-0"))["train@tiny-0"] == "cached"
    assert files_of(project) == before
    assert dvc(project, "status", "report@tiny", "--with-deps") == CLEAN


def test_a_result_pushed_by_a_flow_is_pulled_elsewhere(fresh: Path, tmp_path: Path) -> None:
    dvc(fresh, "remote", "add", "--default", "store", str(tmp_path / "remote"))
    bring_up(fresh, "report@tiny")
    dvc(fresh, "push", "-q", "--run-cache", "-r", "store", "prune@tiny-cqp-0", "train@tiny-0", "data@tiny")
    shutil.rmtree(fresh / ".dvc/cache")
    shutil.rmtree(fresh / "results/tiny/prune/cqp/seed0/nets")
    dvc(fresh, "pull", "-q", "prune@tiny-cqp-0")
    assert "prune@tiny-cqp-0" not in Project(fresh).out_of_date(Project(fresh).needed_for("prune@tiny-cqp-0"))


def test_a_result_never_comes_from_the_cache_for_other_inputs(fresh: Path) -> None:
    bring_up(fresh, "train@tiny-0")
    project = Project(fresh)
    (fresh / "params.yaml").write_text((fresh / "params.yaml").read_text().replace("lr: 0.1", "lr: 0.2"))
    assert project.begin("train@tiny-0") == "ran"
    project.abandon("train@tiny-0")  # DVC's objects have noted the new inputs, dvc.lock the old outputs
    assert project.begin("train@tiny-0") == "ran"
    project.abandon("train@tiny-0")


def test_a_link_is_written_through(project: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.lock"
    shutil.move(project / "dvc.lock", real)
    (project / "dvc.lock").symlink_to(real)
    (project / "params.yaml").write_text((project / "params.yaml").read_text().replace("lr: 0.1", "lr: 0.2"))
    before = real.read_text()
    bring_up(project, "train@tiny-0")
    assert (project / "dvc.lock").is_symlink()
    assert real.read_text() != before


def test_a_missing_input_and_a_missing_output_are_the_stages_failure(tmp_path: Path) -> None:
    root = toy(tmp_path, "  a: {cmd: echo, deps: [gone.txt], outs: [a.txt]}\n  b: {cmd: echo, outs: [b.txt]}\n")
    project = Project(root)
    with pytest.raises(StageFailed, match="stage a failed: DVC: .*gone.txt"):
        project.begin("a")
    assert project.begin("b") == "ran"
    with pytest.raises(StageFailed, match="stage b failed: DVC: output 'b.txt' does not exist"):
        project.finish("b")
    assert not (root / "dvc.lock").exists()


def test_dvc_takes_a_running_stage_for_busy_and_reads_all_else(project: Path) -> None:
    (project / "params.yaml").write_text((project / "params.yaml").read_text().replace("lr: 0.1", "lr: 0.2"))
    ours = Project(project)
    assert ours.begin("train@tiny-0") == "ran"
    beside = run_dvc(project, "repro", "train@tiny-0")
    assert beside.returncode != 0
    assert "is busy, it is being blocked by" in beside.stderr
    assert f"(PID {os.getpid()}): the flow's train@tiny-0" in beside.stderr
    assert run_dvc(project, "metrics", "show").returncode == 0
    assert run_dvc(project, "status", "data@tiny").returncode == 0
    ours.abandon("train@tiny-0")
    assert run_dvc(project, "repro", "train@tiny-0").returncode == 0


def test_a_stage_that_dvc_repro_runs_is_left_to_it(fresh: Path) -> None:
    (fresh / "wait-data").touch()
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "data@tiny"], cwd=fresh, env=stage_environment()
    ) as repro:
        while not (fresh / "wait-pid").exists():
            assert repro.poll() is None
        with pytest.raises(FlowFailed, match="stage data@tiny failed: DVC: .* is busy, it is being blocked by"):
            bring_up(fresh, "report@tiny")
        os.kill(int((fresh / "wait-pid").read_text()), 9)
    (fresh / "wait-data").unlink()
    assert set(outcomes(bring_up(fresh, "report@tiny")).values()) == {"ran"}


@pytest.mark.parametrize("left", ["{", json.dumps({"write": {"results": {"pid": 1, "cmd": "dvc repro"}}, "read": {}})])
def test_what_killed_ones_left_in_dvcs_list_is_in_no_ones_way(fresh: Path, left: str) -> None:
    (fresh / ".dvc/tmp/rwlock").write_text(left.replace("results", str(fresh / "results")))  # process 1 is alive
    assert outcomes(bring_up(fresh, "data@tiny")) == {"data@tiny": "ran"}


def test_why_names_what_changed_and_changes_nothing(project: Path) -> None:
    before = files_of(project)
    assert Project(project).why("prune@tiny-cqp-0") == ("unchanged", [])
    (project / "params.yaml").write_text((project / "params.yaml").read_text().replace("0.995", "0.99"))
    assert Project(project).why("prune@tiny-cqp-0") == ("ran", ["params.yaml: experiments.tiny.prune"])
    shutil.rmtree(project / "results/tiny/train")
    train = [f"results/tiny/train/seed0/{name}" for name in ("curve.csv", "metrics.json", "model.safetensors")]
    outcome, reasons = Project(project).why("train@tiny-0")
    assert (outcome, sorted(reasons)) == ("cached", train)
    assert Project(project).why("track@tiny") == ("ran", ["not built"])
    assert set(files_of(project)) == {name for name in before if "/train/" not in name}


def test_overrides_are_those_of_dvc_experiments(project: Path) -> None:
    params = project / "params.yaml"
    before = params.read_text()
    overrides = ["experiments.tiny.train.lr=0.3", "+experiments.tiny.train.new=[1,2]"]
    apply_overrides(params, overrides)
    ours = params.read_text()
    assert "0.3" in ours
    params.write_text(before)
    dvc(project, "exp", "run", "-S", overrides[0], "-S", overrides[1], "data@tiny")
    assert params.read_text() == ours
    with pytest.raises(UserError, match="experiments.tiny.nope=1"):
        apply_overrides(params, ["experiments.tiny.nope=1"])
    with pytest.raises(UserError, match=r"^overrides: expected KEY=VALUE, such as .*; found 'nonsense'$"):
        apply_overrides(params, [overrides[0], "nonsense"])


def test_the_cache_folder_is_absolute(project: Path) -> None:
    assert cache_folder(project) == f"{project}/.dvc/cache"
    with pytest.raises(UserError):
        cache_folder(project.parent)


def files_of(root: Path) -> dict[str, bytes]:
    """Result files and .gitignore files."""
    found = [*(root / "results").rglob("*"), root / ".gitignore"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found if path.is_file()}


def runs_of(root: Path) -> set[str]:
    """What is in the run cache."""
    return {path.relative_to(root).as_posix() for path in (root / ".dvc/cache/runs").rglob("*") if path.is_file()}


def git_status(root: Path) -> list[str]:
    command = ["git", "status", "--porcelain"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
