"""DVC's graph: order, choices, and what is out of date."""

from pathlib import Path
from types import SimpleNamespace

import dvc.lock
import pytest
from dvc.repo import Repo
from flows.graph import Pipeline, PipelineError, UnknownTarget
from flows.lockfile import read_lock

from tests.flows import foreign


def test_every_stage_comes_after_those_it_needs(fresh: Path) -> None:
    stages = Pipeline(fresh).needed_for("track@tiny")
    addresses = [stage.address for stage in stages]
    assert sorted(addresses) == Pipeline(fresh).addresses()
    for index, stage in enumerate(stages):
        assert set(stage.upstream) <= set(addresses[:index])


def test_what_most_others_wait_for_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stages = """\
  a: {cmd: echo a > a, outs: [a]}
  b: {cmd: echo b > b, outs: [b]}
  needs_b: {cmd: cp b needs_b, deps: [b], outs: [needs_b]}
  z: {cmd: cat a needs_b > z, deps: [a, needs_b], outs: [z]}
"""
    found = Pipeline(foreign.make(tmp_path, stages)).needed_for("z")
    assert [stage.address for stage in found] == ["b", "a", "needs_b", "z"]


def test_a_target_brings_only_what_it_needs(fresh: Path) -> None:
    stages = Pipeline(fresh).needed_for("prune@tiny-cqp-0")
    assert [stage.address for stage in stages] == ["data@tiny", "train@tiny-0", "prune@tiny-cqp-0"]
    assert stages[2].upstream == ("data@tiny", "train@tiny-0")


def test_an_unknown_target_lists_the_choices(fresh: Path) -> None:
    with pytest.raises(UnknownTarget, match=r"no stage 'track@nope'; there are: compare@tiny, data@tiny, .*track@tiny"):
        Pipeline(fresh).needed_for("track@nope")


def test_a_folder_without_a_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=str(tmp_path)):
        Pipeline(tmp_path)


def test_params_that_do_not_fit_dvc_yaml_are_an_error(fresh: Path) -> None:
    (fresh / "matrix.yaml").write_text("stages: {}\n")
    with pytest.raises(PipelineError, match=r"stages\.data"):
        Pipeline(fresh).addresses()


def test_changes_are_seen_by_an_open_pipeline(project: Path) -> None:
    pipeline = Pipeline(project)
    assert not pipeline.is_changed("prune@tiny-cqp-0")
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("0.995", "0.99"))
    assert pipeline.is_changed("prune@tiny-cqp-0")
    assert not pipeline.is_changed("train@tiny-0")
    assert pipeline.out_of_date("track@tiny") == {"prune@tiny-cqp-0", "prune@tiny-magnitude-0", "track@tiny"}


def test_dvc_lock_is_not_read_while_another_dvc_writes_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline(project)
    whole = read_lock(project)
    content = (project / "dvc.lock").read_bytes()
    other = Repo(str(project))
    other.lock.lock()
    (project / "dvc.lock").write_bytes(content[: content.index(b"  prune@")])

    def finish_writing(_: float) -> None:
        (project / "dvc.lock").write_bytes(content)
        other.lock.unlock()

    monkeypatch.setattr(dvc.lock, "time", SimpleNamespace(sleep=finish_writing))  # it runs while the reader waits
    assert pipeline.lock_entries() == whole
