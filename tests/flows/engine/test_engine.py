"""Stages in order, skipped when unchanged, failing with their last lines; with and without Prefect."""

import io
import shutil
import sys
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from flows.experiment import main, print_line
from flows.graph import Pipeline, PipelineError, Stage, UnknownTarget
from flows.hints import Hints
from flows.lockfile import Entry
from flows.process import StageFailed, Stopped
from flows.stop import Stop
from flows.workers import default_workers
from mlflow import MlflowClient

from flows.engine import Done, FlowFailed, Work, count_outcomes, ready, run_all, run_target
from flows.tracking import Tracking
from tests.flows.conftest import store_of

STAGES = 5  # data, train, 2 prune, compare


class Flow:
    """A flow without Prefect; `lines` is what it said, `validated` how often params were checked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines: list[str] = []
        self.validated = 0

    def run(self, target: str) -> dict[str, Done]:
        return run_target(
            Pipeline(self.root),
            target,
            say=self.lines.append,
            carry_out=self._bring_up,
            before_work=self._validate,
            tracking=Tracking(self.root, self.lines.append),
        )

    def _bring_up(self, work: Work, stage: Stage) -> Done:
        return work.bring_up(stage, lambda line: self.lines.append(f"[{stage.address}] {line}"), {})

    def _validate(self) -> None:
        self.validated += 1


class NoProject:
    """A pipeline of which only dvc.lock's entries are asked."""

    root = Path("nowhere")

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.lock_entries = lambda: entries

    def exclusive(self) -> AbstractContextManager:
        return nullcontext()


def outcomes(done: dict[str, Done]) -> dict[str, str]:
    return {address: finished.outcome for address, finished in done.items()}


def test_everything_is_run_once_tracked_then_left_alone_and_a_lost_store_filled(fresh: Path, templates: Path) -> None:
    flow = Flow(fresh)
    first = flow.run("compare@tiny")
    assert set(outcomes(first).values()) == {"ran"}
    assert list(first) == [stage.address for stage in Pipeline(fresh).needed_for("compare@tiny")]
    finished = next(line for line in flow.lines if line.startswith(f"[1/{STAGES}] data@tiny: ran in "))
    assert flow.lines.index("[data@tiny] data at work") < flow.lines.index(finished)
    runs = _runs(fresh)
    assert {run.data.tags["outcome"] for run in runs} == {"ran"}

    again = Flow(fresh)
    assert set(outcomes(again.run("compare@tiny")).values()) == {"unchanged"}
    assert (flow.validated, again.validated) == (1, 0)
    assert f"{STAGES} stages: {STAGES} unchanged" in again.lines
    assert {run.info.run_id for run in _runs(fresh)} == {run.info.run_id for run in runs}

    (fresh / "mlruns").rename(fresh / "mlruns-lost")
    shutil.copytree(templates / "store/mlruns", fresh / "mlruns")
    filled = outcomes(Flow(fresh).run("compare@tiny"))
    assert set(filled.values()) == {"unchanged"}
    assert sorted(run.info.run_name for run in _runs(fresh)) == sorted(run.info.run_name for run in runs)


def test_only_what_depends_on_a_change_is_run(project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("finetune: {epochs: 2}", "finetune: {epochs: 3}"))
    done = outcomes(Flow(project).run("compare@tiny"))
    ran = {address for address, outcome in done.items() if outcome == "ran"}
    assert ran == {"prune@tiny-cqp-0", "prune@tiny-magnitude-0"}
    assert done["compare@tiny"] == "unchanged"  # the stages wrote the same bytes


def test_a_result_in_the_cache_is_taken_from_there(fresh: Path) -> None:
    flow = Flow(fresh)
    flow.run("data@tiny")
    (fresh / "dvc.lock").unlink()
    shutil.rmtree(fresh / "results")
    stage_yaml = fresh / "dvc.yaml"
    stage_yaml.write_text(stage_yaml.read_text().replace("dataset.json:\n            cache: false", "dataset.json"))
    flow.run("data@tiny")
    shutil.rmtree(fresh / "results")
    assert outcomes(flow.run("data@tiny")) == {"data@tiny": "cached"}


def test_a_failing_stage_ends_the_flow_with_its_last_lines(project: Path) -> None:
    (project / "break-prune").touch()
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("finetune: {epochs: 2}", "finetune: {epochs: 3}"))
    flow = Flow(project)
    with pytest.raises(FlowFailed, match="prune is broken"):
        flow.run("track@tiny")
    assert "[prune@tiny-cqp-0] prune is broken" in flow.lines
    assert "[layers@tiny] layers" not in flow.lines
    assert f"{STAGES + 2} stages: 2 failed, 2 skipped, 3 unchanged" in flow.lines


def test_an_unreachable_server_does_not_stop_the_stages(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    flow = Flow(fresh)
    assert outcomes(flow.run("train@tiny-0")) == {"data@tiny": "ran", "train@tiny-0": "ran"}
    assert len([line for line in flow.lines if line.startswith("tracking:")]) == 1


def test_a_stage_without_an_entry_in_dvc_lock_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "lock_entries", lambda pipeline: {})
    flow = Flow(project)
    flow.run("data@tiny")
    assert "[data@tiny] dvc.lock has no entry of data@tiny, so MLflow does not show it" in flow.lines


def test_a_stage_of_another_folder_is_not_missed(project: Path) -> None:
    lines: list[str] = []
    work = Work(NoProject({}), None, set(), Stop())
    work.bring_up(Stage("other/dvc.yaml:data", ()), lines.append, {})
    assert lines == []


def test_tracking_one_stage_keeps_no_other_from_starting() -> None:
    both_are_tracked = threading.Barrier(2, timeout=30)  # broken unless the second gets there during the first

    class Tracked:
        def track(self, address: str, entry: Entry, tags: Mapping[str, str]) -> None:
            both_are_tracked.wait()

    work = Work(NoProject({"a": {}, "b": {}}), Tracked(), set(), Stop())
    stages = [Stage(name, ()) for name in "ab"]
    done = run_all(stages, lambda stage: work.bring_up(stage, print, {}), lambda line: None, 2, Stop())
    assert set(done) == {"a", "b"}


def test_an_unknown_target_is_refused_before_any_work(fresh: Path) -> None:
    flow = Flow(fresh)
    with pytest.raises(UnknownTarget):
        flow.run("track@nope")
    assert (flow.lines, flow.validated) == ([], 0)


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
    stages = [Stage(name, ()) for name in "abc"]
    busy = threading.Lock()

    def run(stage: Stage) -> Done:
        assert busy.acquire(blocking=False)
        busy.release()
        return Done(stage.address, "ran", 0.0)

    assert list(run_all(stages, run, lambda line: None, 1, Stop())) == ["a", "b", "c"]


def test_a_failure_skips_what_needs_it_and_nothing_else() -> None:
    stages = [Stage(name, up) for name, up in (("a", ()), ("b", ()), ("c", ("a",)), ("d", ("b",)), ("e", ("c", "d")))]

    def run(stage: Stage) -> Done:
        if stage.address == "a":
            return Done("a", "failed", 1.0, StageFailed("a", "exit code 1", ["the end"]))
        return Done(stage.address, "ran", 1.0)

    lines: list[str] = []
    done = run_all(stages, run, lines.append, 1, Stop())
    assert outcomes(done) == {"a": "failed", "b": "ran", "c": "skipped", "d": "ran", "e": "skipped"}
    assert lines[0].startswith("[1/5] a: failed in 1 s; 0 running, 4 left, 0:00:0")
    assert count_outcomes(done) == "5 stages: 1 failed, 2 ran, 2 skipped"
    text = str(FlowFailed(done))
    assert "stage a failed: exit code 1; its last lines:\n  | the end\nto run it again: dvc repro a" in text
    assert text.endswith("skipped, as they need what failed: c, e")


def test_what_is_raised_stops_what_runs() -> None:
    stages = [Stage(name, ()) for name in "abc"]
    stop = Stop()
    ended = threading.Event()
    lines: list[str] = []

    def run(stage: Stage) -> Done:
        if stage.address == "a":
            with stop.calling(ended.set):
                assert ended.wait(timeout=30)
            raise Stopped("a")
        raise PipelineError("DVC: no dvc.yaml")

    with pytest.raises(PipelineError):
        run_all(stages, run, lines.append, 2, stop)
    assert lines == ["stopping a"]


def test_stages_with_the_same_tag_run_one_at_a_time() -> None:
    gpu = Hints(concurrency="gpu")
    a, b, c = Stage("a", (), gpu), Stage("b", (), gpu), Stage("c", (), Hints(concurrency="disk"))
    assert ready([a, b, c], {}, workers=3) == [a, c]
    assert ready([a, b, c], {}, running={"a"}, workers=3) == [c]
    assert ready([a, b, c], {"a"}, workers=3) == [b, c]


def test_of_a_tag_no_more_run_than_the_strictest_of_its_stages_allows() -> None:
    two = Hints(concurrency="gpu", at_once=2)
    a, b, c = (Stage(name, (), two) for name in "abc")
    assert ready([a, b, c], {}, workers=3) == [a, b]
    assert ready([a, b, c], {"a"}, running={"b"}, workers=3) == [c]
    alone = Stage("d", (), Hints(concurrency="gpu"))
    assert ready([a, b, alone], {}, workers=3) == [a]


def test_progress_is_reported_at_every_start_and_end() -> None:
    stages = [Stage("a", ()), Stage("b", ("a",))]
    seen = []
    run_all(stages, lambda stage: Done(stage.address, "ran"), lambda line: None, 2, Stop(), seen.append)
    assert [(p.done, p.running, p.total) for p in seen] == [(0, ("a",), 2), (1, (), 2), (1, ("b",), 2), (2, (), 2)]
    assert [p.percent for p in seen] == [0, 50, 50, 100]


def test_ready_are_those_whose_inputs_are_done() -> None:
    a, b, c = (Stage(name, upstream) for name, upstream in (("a", ()), ("b", ("a",)), ("c", ())))
    assert ready([a, b, c], {}, workers=3) == [a, c]
    assert ready([a, b, c], {}, workers=1) == [a]
    assert ready([a, b, c], {"a": Done("a", "ran", 1.0)}, workers=3) == [b, c]
    assert ready([a, b, c], {"a"}, running={"c"}, workers=2) == [b]
    assert ready([a, b, c], {"a"}, running={"c"}, workers=1) == []


@pytest.mark.parametrize("options", [["--local"], []])
def test_a_wrong_name_is_one_line_with_the_choices(fresh: Path, options: list[str], capsys) -> None:
    assert main(["--experiment", "nope", *options]) == 1
    assert capsys.readouterr().err == "error: no experiment 'nope'; the matrix in params.yaml has: tiny\n"


def test_matrix_yaml_is_brought_up_to_date_before_dvc_reads_it(project: Path, capsys) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("seeds: [0]", "seeds: [0, 1]"))
    assert main(["--experiment", "nope", "--local"]) == 1
    assert capsys.readouterr().out == "matrix.yaml brought up to date with params.yaml\n"
    assert "prune@tiny-cqp-1" in Pipeline(project).addresses()
    assert main(["--experiment", "nope", "--local"]) == 1
    assert capsys.readouterr().out == ""


def test_a_wrong_matrix_is_an_error(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = fresh / "params.yaml"
    params.write_text(params.read_text().replace("seeds: [0]", "seeds: [0, 0]"))
    assert main(["--experiment", "tiny", "--local"]) == 1
    assert capsys.readouterr().err == "error: matrix.tiny.seeds: entries must differ; found [0, 0]\n"


def test_wrong_params_are_an_error_before_any_work(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--experiment", "tiny", "--local"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert "experiments.tiny.data" in captured.err
    assert "at work" not in captured.out
    assert not (fresh / "results").exists()


def test_a_line_and_its_end_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[str] = []
    monkeypatch.setattr(sys, "stdout", stream := io.StringIO())
    monkeypatch.setattr(stream, "write", pieces.append)
    print_line("[a] one")
    assert pieces == ["[a] one\n"]


def test_the_default_is_what_the_granted_cores_have_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("runtime: {threads: 2}\nexperiments: {tiny: {}}\n")
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(6)), raising=False)
    assert default_workers() == 3
    monkeypatch.delattr("os.sched_getaffinity")
    assert default_workers() == 32


def _runs(root: Path) -> list:
    client = MlflowClient(store_of(root))
    return client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
