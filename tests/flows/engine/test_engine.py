"""Stages in order, side by side, skipped when unchanged, failing with their last lines; each result tracked."""

import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from queue import SimpleQueue

import pytest

from flows.engine import engine
from flows.engine.dvc import Project
from flows.engine.engine import Done, FlowFailed, count_outcomes, run_all
from flows.engine.lockfile import Entry, key_of, read_lock
from flows.engine.stage import Stage, StageFailed, Stopped
from flows.engine.stop import Stop
from tests.flows.conftest import toy
from tests.flows.engine.flow import Log, bring_up, outcomes

STAGES = 8  # data, train, 2 prune, evaluate, study, compare, report


def test_everything_is_run_once_and_tracked_then_left_alone(fresh: Path) -> None:
    log, lines, validated = Log(), [], []
    first = bring_up(
        fresh, "report@tiny", lines.append, tracking=log, before_work=lambda: validated.append(log.calls[:])
    )
    assert set(outcomes(first).values()) == {"ran"}
    stages = Project(fresh).needed_for("report@tiny")
    assert sorted(first) == sorted(stage.address for stage in stages)
    place = {address: index for index, address in enumerate(first)}
    assert all(place[other] < place[stage.address] for stage in stages for other in stage.upstream)
    finished = next(line for line in lines if line.startswith(f"[1/{STAGES}] data@tiny: ran in "))
    assert lines.index("[data@tiny] data at work") < lines.index(finished)
    assert validated == [[]]  # before anything else
    assert (log.calls[0], log.calls[-1]) == ("prepare", "summarize")
    assert sorted(log.calls[1:-1]) == sorted(f"follow {address}" for address in first)
    entries = read_lock(fresh)
    assert log.logged == {address: (entries[address], {"outcome": "ran"}) for address in entries}
    assert {address: done.dvc_hash for address, done in first.items()} == {a: key_of(e) for a, e in entries.items()}
    assert first["data@tiny"].mlflow_run == "run of data@tiny"

    again, lines = Log(), []
    second = bring_up(fresh, "report@tiny", lines.append, tracking=again, before_work=lambda: validated.append([]))
    assert set(outcomes(second).values()) == {"unchanged"}
    assert (again.calls, len(validated)) == (["summarize"], 1)
    assert again.logged == {address: (entries[address], {"outcome": "unchanged"}) for address in entries}
    assert f"{STAGES} stages: {STAGES} unchanged" in lines


def test_only_what_depends_on_a_change_is_run(project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("finetune: {epochs: 2}", "finetune: {epochs: 3}"))
    done = outcomes(bring_up(project, "report@tiny"))
    ran = {address for address, outcome in done.items() if outcome == "ran"}
    assert ran == {"prune@tiny-cqp-0", "prune@tiny-magnitude-0"}
    assert done["evaluate@tiny"] == "unchanged"  # the stages wrote the same bytes


def test_a_failing_stage_ends_the_flow_with_its_last_lines(project: Path) -> None:
    (project / "break-prune").touch()
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("finetune: {epochs: 2}", "finetune: {epochs: 3}"))
    before = read_lock(project)
    lines: list[str] = []
    with pytest.raises(FlowFailed, match="prune is broken"):
        bring_up(project, "report@tiny", lines.append)
    assert "[prune@tiny-cqp-0] prune is broken" in lines
    assert f"{STAGES} stages: 2 failed, 3 skipped, 3 unchanged" in lines
    assert read_lock(project) == before
    (project / "break-prune").unlink()
    assert outcomes(bring_up(project, "report@tiny"))["prune@tiny-cqp-0"] == "ran"


def test_a_frozen_stage_is_taken_as_it_is(tmp_path: Path) -> None:
    root = toy(tmp_path, "  a: {cmd: echo 1 > a.txt, outs: [a.txt], frozen: true}\n", {"a.txt": "mine"})
    assert outcomes(bring_up(root, "a")) == {"a": "unchanged"}
    assert (root / "a.txt").read_text() == "mine"


def test_several_commands_and_another_folder_are_as_in_dvc(tmp_path: Path) -> None:
    stage = (
        "  a:\n    wdir: sub\n    cmd:\n    - echo $DVC_STAGE > one\n    - cat one one > two\n    outs: [one, two]\n"
    )
    (tmp_path / "sub").mkdir()
    root = toy(tmp_path, stage)
    assert outcomes(bring_up(root, "a")) == {"a": "ran"}
    assert (root / "sub/two").read_text() == "a\na\n"
    (root / "dvc.yaml").write_text((root / "dvc.yaml").read_text().replace("cat one one", "false; cat one"))
    assert outcomes(bring_up(root, "a")) == {"a": "ran"}
    (root / "dvc.yaml").write_text((root / "dvc.yaml").read_text().replace("echo $DVC_STAGE", "false"))
    with pytest.raises(FlowFailed, match="stage a failed: exit code 1"):
        bring_up(root, "a")


def test_forty_stages_on_four_workers(tmp_path: Path) -> None:
    stages = "".join(f"  s{n}: {{cmd: echo {n} > {n}.txt, deps: [input], outs: [{n}.txt]}}\n" for n in range(40))
    parts = ", ".join(f"{n}.txt" for n in range(40))
    stages += f"  all: {{cmd: cat *.txt > sum, deps: [{parts}], outs: [sum]}}\n"
    root = toy(tmp_path, stages, {"input": "1"})
    done = bring_up(root, "all", workers=4)
    assert set(outcomes(done).values()) == {"ran"}
    assert sorted((root / "sum").read_text().split()) == sorted(str(n) for n in range(40))
    assert Project(root).out_of_date(Project(root).needed_for("all")) == set()
    shutil.rmtree(root / ".dvc/cache/files")
    assert set(outcomes(bring_up(root, "all", workers=4)).values()) <= {"ran", "unchanged"}


def test_independent_stages_run_side_by_side_in_the_order_of_the_graph() -> None:
    first, left, right = (Stage(name, up) for name, up in (("a", ()), ("b", ("a",)), ("c", ("a",))))
    meeting = threading.Barrier(2, timeout=30)  # broken, and so an error, unless both are there at once
    started: list[str] = []

    def run(stage: Stage) -> Done:
        started.append(stage.address)
        if stage is not first:
            meeting.wait()
        return Done(stage.address, "ran", 0.0)

    assert set(run_all([first, left, right], run, lambda line: None, 2, Stop())) == {"a", "b", "c"}
    assert started[0] == "a"


def test_one_worker_runs_one_stage_at_a_time() -> None:
    stages = [Stage(name) for name in "abc"]
    meeting = threading.Barrier(2, timeout=0.5)

    def run(stage: Stage) -> Done:
        with pytest.raises(threading.BrokenBarrierError):  # no other one is there
            meeting.wait()
        return Done(stage.address, "ran", 0.0)

    assert list(run_all(stages, run, lambda line: None, 1, Stop())) == ["a", "b", "c"]


def test_a_result_that_is_being_logged_makes_room_for_the_next_stage(fresh: Path) -> None:
    study_began = threading.Event()

    class Slow(Log):
        def follow(self, address: str, outs: Sequence[str], tags: Mapping[str, str]) -> AbstractContextManager[None]:
            if address == "study@tiny-layers":
                study_began.set()
            return super().follow(address, outs, tags)

        def log(self, address: str, entry: Entry, tags: Mapping[str, str]) -> str:
            assert address != "prune@tiny-magnitude-0" or study_began.wait(timeout=30)
            return super().log(address, entry, tags)

    assert len(bring_up(fresh, "report@tiny", tracking=Slow())) == STAGES


def test_what_needs_a_result_runs_while_it_is_logged_and_is_logged_after_it(fresh: Path) -> None:
    report_began, order = threading.Event(), []

    class Slow(Log):
        def follow(self, address: str, outs: Sequence[str], tags: Mapping[str, str]) -> AbstractContextManager[None]:
            if address == "report@tiny":
                report_began.set()
            return super().follow(address, outs, tags)

        def log(self, address: str, entry: Entry, tags: Mapping[str, str]) -> str:
            assert address != "evaluate@tiny" or report_began.wait(timeout=30)
            order.append(address)
            return super().log(address, entry, tags)

    bring_up(fresh, "report@tiny", tracking=Slow())
    assert order[-3:] == ["evaluate@tiny", "compare@tiny", "report@tiny"]


def test_results_are_logged_side_by_side_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BEING_LOGGED", 2)
    events, lines = SimpleQueue(), []
    two = threading.Barrier(2, timeout=30)  # broken, and so an error, unless two are there at once

    def run(stage: Stage) -> Done:
        events.put(stage.address)
        two.wait()
        return Done(stage.address, "ran")

    assert len(run_all([Stage(name) for name in "abcd"], run, lines.append, 1, Stop(), events=events)) == 4
    assert "0 running, 1 being logged, 2 left" in lines[0]


def test_no_more_results_than_that_are_logged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BEING_LOGGED", 2)
    events = SimpleQueue()
    three = threading.Barrier(3, timeout=0.3)

    def run(stage: Stage) -> Done:
        events.put(stage.address)
        with pytest.raises(threading.BrokenBarrierError):
            three.wait()
        return Done(stage.address, "ran")

    assert len(run_all([Stage(name) for name in "abc"], run, lambda line: None, 1, Stop(), events=events)) == 3


def test_a_failure_skips_what_needs_it_and_nothing_else() -> None:
    stages = [Stage(name, up) for name, up in (("a", ()), ("b", ()), ("c", ("a",)), ("d", ("b",)), ("e", ("c", "d")))]

    def run(stage: Stage) -> Done:
        if stage.address == "a":
            return Done("a", "failed", 1.0, StageFailed("a", "exit code 1", ("the end",)))
        return Done(stage.address, "ran", 1.0)

    lines: list[str] = []
    done = run_all(stages, run, lines.append, 1, Stop())
    assert outcomes(done) == {"a": "failed", "b": "ran", "c": "skipped", "d": "ran", "e": "skipped"}
    assert lines[0].startswith("[1/5] a: failed in 1 s; 0 running, 4 left, 0:00:0")
    assert count_outcomes(done) == "5 stages: 1 failed, 2 ran, 2 skipped"
    text = str(FlowFailed(done))
    assert "stage a failed: exit code 1; its last lines:\n  | the end\nto run it again: dvc repro a" in text
    assert text.endswith("skipped, as they need what failed: c, e")


@pytest.mark.parametrize("order", [("bad", "good"), ("good", "bad")])
def test_what_is_skipped_does_not_run_when_the_rest_of_what_it_needs_ends(order: tuple[str, str]) -> None:
    stages = [*map(Stage, order), Stage("slow"), Stage("last", order)]
    both_ended, ran = threading.Event(), []

    def run(stage: Stage) -> Done:
        ran.append(stage.address)
        if stage.address == "slow":
            both_ended.wait(30)
        return Done(stage.address, "failed" if stage.address == "bad" else "ran")

    def report(share: float, text: str) -> None:
        if share == 3 / 4:
            both_ended.set()

    done = run_all(stages, run, lambda line: None, 2, Stop(), report)
    assert both_ended.is_set()
    assert outcomes(done) == {"bad": "failed", "good": "ran", "slow": "ran", "last": "skipped"}
    assert sorted(ran) == ["bad", "good", "slow"]


def test_a_long_chain_after_a_failure_is_skipped() -> None:
    stages = [Stage("0"), *(Stage(str(n), (str(n - 1),)) for n in range(1, 3000))]
    done = run_all(stages, lambda stage: Done("0", "failed"), lambda line: None, 2, Stop())
    assert count_outcomes(done) == "3000 stages: 1 failed, 2999 skipped"


def test_what_is_raised_stops_what_runs() -> None:
    stop, ended = Stop(), threading.Event()
    lines: list[str] = []

    def run(stage: Stage) -> Done:
        if stage.address == "a":
            with stop.calling(ended.set):
                assert ended.wait(timeout=30)
            raise Stopped("a")
        raise LookupError("no dvc.yaml")

    with pytest.raises(LookupError):
        run_all([Stage(name) for name in "abc"], run, lines.append, 2, stop)
    assert lines == ["stopping a"]


def test_progress_is_reported_at_every_start_and_end() -> None:
    stages = [Stage("a"), Stage("b", ("a",))]
    seen = []
    run_all(
        stages, lambda stage: Done(stage.address, "ran"), lambda line: None, 2, Stop(), lambda *far: seen.append(far)
    )
    assert [share for share, _ in seen] == [0, 0.5, 0.5, 1]
    assert [text.partition(", 0:00:00")[2] for _, text in seen] == [": a", ": ", ": b", ": "]
