"""The flow on a real (temporary) Prefect server: task runs, logs, the artifact, failure."""

import json
import os
import time
from collections.abc import Callable
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread
from uuid import UUID

import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import Artifact, FlowRun, TaskRun
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from prefect.states import Cancelling

from flows import run
from flows.engine.engine import Done, FlowFailed
from flows.engine.lockfile import key_of, read_lock
from flows.engine.stop import Interrupted
from flows.notification import VARIABLE
from flows.registry.requests import kept
from flows.scheduled import prefect_flow
from flows.scheduled.prefect_flow import experiment_flow, run_flow, run_tags
from snnprune.core.errors import UserError
from tests.flows.conftest import store_of
from tests.processes import alive, free_port, within
from tests.receiver import PATH, receiver


@pytest.fixture
def tiny(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny project has neither the real params nor the real summary."""
    monkeypatch.setattr(run, "validate_params", lambda: None)
    monkeypatch.setattr(prefect_flow, "comparison", lambda experiment, markdown: f"| table of {experiment} |")
    return project


def test_each_stage_is_a_task_run_and_the_table_an_artifact(tiny: Path, server: None) -> None:
    (tiny / "results/tiny/compare/summary.json").unlink()
    state = experiment_flow("tiny", return_state=True)
    assert state.is_completed()
    run, tasks = _recorded(state.state_details.flow_run_id)
    assert run.name == "tiny"
    states = {task.name: task.state_name for task in tasks}
    assert states.pop("compare@tiny") == "Ran"
    assert {"data@tiny", "train@tiny-0", "prune@tiny-cqp-0", "report@tiny"} <= set(states)
    assert set(states.values()) == {"Unchanged"}
    assert _artifact("comparison-tiny").data == "| table of tiny |"
    client = MlflowClient(store_of(tiny))
    (logged,) = client.search_runs(["1"], "tags.dvc_stage = 'compare@tiny'")
    tags = logged.data.tags
    assert tags["prefect_flow_run"] == str(run.id)
    assert tags["prefect_task_run"] in {str(task.id) for task in tasks}
    assert tags["prefect_flow_url"].endswith(f"/flow-run/{run.id}")
    # And back: the task says which run has its result, and so does the table of stages.
    (compare,) = [task for task in tasks if task.name == "compare@tiny"]
    key = key_of(read_lock(tiny)["compare@tiny"])
    assert compare.state.message.endswith(f"; DVC result {key}; MLflow run {logged.info.run_id}")
    assert tags["dvc_hash"] == key
    rows = {row["stage"]: row for row in json.loads(_artifact("stages-tiny").data)}
    assert (rows["compare@tiny"]["outcome"], rows["compare@tiny"]["MLflow run"]) == ("ran", logged.info.run_id)
    assert rows["data@tiny"]["DVC result"] == key_of(read_lock(tiny)["data@tiny"])
    assert f"git_commit {tags['git_commit']}" in _artifact("stages-tiny").description
    (spent,) = json.loads(_artifact("time-tiny").data)
    assert (spent["stages"], spent["count"], spent["share"]) == ("compare", "1", "100%")
    assert float(spent["wall"].removesuffix(" s")) > 0
    assert _artifact("progress-tiny").data == 100
    assert (tiny / "results/tiny/report/index.html").as_uri() in _artifact("report-tiny").data


def test_a_failing_stage_fails_the_flow_with_its_last_lines(tiny: Path, server: None) -> None:
    (tiny / "results/tiny/compare/summary.json").unlink()
    (tiny / "break-compare").touch()
    state = experiment_flow("tiny", return_state=True)
    assert state.is_failed()
    assert "compare is broken" in state.message
    with pytest.raises(FlowFailed):
        state.result()
    _, tasks = _recorded(state.state_details.flow_run_id)
    assert {task.name for task in tasks if task.state_name == "Failed"} == {"compare@tiny"}
    assert "report@tiny" not in {task.name for task in tasks}
    rows = {row["stage"]: row["outcome"] for row in json.loads(_artifact("stages-tiny").data)}
    assert (rows["compare@tiny"], rows["report@tiny"], rows["evaluate@tiny"]) == ("failed", "skipped", "unchanged")


def test_of_a_failed_run_a_message_is_sent_and_of_another_none(tiny: Path, server: None, monkeypatch) -> None:
    with receiver() as found:
        monkeypatch.setenv(VARIABLE, found.url)
        experiment_flow("tiny")
        assert found.texts == []
        (tiny / "results/tiny/compare/summary.json").unlink()
        (tiny / "break-compare").touch()
        experiment_flow("tiny", workers=2, return_state=True)
    (text,) = found.texts
    lines = text.splitlines()
    assert lines[:2] == ["snnprune: tiny failed", "stage compare@tiny failed: exit code 1; its last lines:"]
    assert "  | compare is broken" in lines and "dvc repro" not in text  # which knows no options of the flow
    assert "to go on: snnprune run tiny --prefect --workers 2" in lines
    assert lines[-1].startswith("Prefect: http://127.0.0.1:") and lines[-1].endswith(f"/flow-run/{_latest_run().id}")


def test_a_message_that_reaches_nobody_costs_a_line_and_the_run_ends_as_it_did(tiny, server, monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{free_port()}{PATH}")
    (tiny / "results/tiny/compare/summary.json").unlink()
    (tiny / "break-compare").touch()
    state = experiment_flow("tiny", return_state=True)
    assert state.is_failed() and "compare is broken" in state.message
    line = f"the message about this run did not reach 127.0.0.1 ({VARIABLE}): ConnectionError"
    logs = _logs(state.state_details.flow_run_id, line)
    assert logs.count(line) == 1 and not any(PATH in one for one in logs)


def test_a_planted_secret_reaches_no_log_tag_artifact_message_or_result(tiny, server, monkeypatch, capfd) -> None:
    """Stages print it, git's commit has it, and the flow's end reports it."""
    secrets = "pl4nted-s3cret", "other-pl4nted"
    for name in ("DATABASE_PASSWORD", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, secrets[0])
    tags = {"git_commit": f"https://me:{secrets[1]}@git"}
    monkeypatch.setattr(prefect_flow, "commit_tags", lambda root: tags)
    monkeypatch.setattr("flows.tracking.tracking.commit_tags", lambda root: tags)
    monkeypatch.setattr(run, "comparison", str)
    prints = (
        f"print('at postgresql://snn:{secrets[1]}@db', os.environ['DATABASE_PASSWORD'], flush=True)\n"
        "print('tracking', os.environ.get('MLFLOW_TRACKING_PASSWORD'), flush=True)\n"
    )
    source, mark = (tiny / "stage.py").read_text(), 'if Path(f"break-'
    (tiny / "stage.py").write_text(source.replace(mark, prints + mark))
    (tiny / "break-compare").touch()
    with receiver() as found:
        monkeypatch.setenv(VARIABLE, found.url)
        state = experiment_flow("tiny", return_state=True)
    seen = "at postgresql://snn:***@db ***"
    logs = _logs(state.state_details.flow_run_id, seen)
    flow_run, tasks = _recorded(state.state_details.flow_run_id)
    artifacts = [_artifact(f"{name}-tiny") for name in ("stages", "progress")]
    shown = [*logs, *found.texts, flow_run.state.message, *(task.state.message for task in tasks)]
    shown += [f"{artifact.data} {artifact.description}" for artifact in artifacts]
    (tiny / "break-compare").unlink()
    run.run("tiny")
    assert (tiny / "logs/compare@tiny.log").read_text() == f"compare at work\n{seen}\ntracking None\n"
    shown += capfd.readouterr()
    assert seen in logs and "tracking None" in logs and seen in found.texts[0]
    assert "git_commit https://me:***@git" in artifacts[0].description
    assert {tags["git_commit"] for tags in _tags(tiny)} == {"https://me:***@git"}
    assert not [text for text in shown if text and any(secret in text for secret in secrets)]
    files = [path for path in tiny.rglob("*") if path.is_file() and path.name != "stage.py"]
    assert tiny / "mlruns/mlflow.db" in files and tiny / "results/tiny/compare/summary.json" in files
    assert not [path for path in files if any(secret.encode() in path.read_bytes() for secret in secrets)]


def test_cancelling_the_run_ends_its_stages(tiny: Path, server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_flow, "CANCEL_INTERVAL", 0.1)
    (tiny / "results/tiny/compare/summary.json").unlink()
    (tiny / "wait-compare").touch()
    canceller = Thread(target=_cancel_when, args=((tiny / "wait-pid").is_file,))
    canceller.start()
    with pytest.raises(Interrupted):
        run_flow("tiny", 1)
    canceller.join()
    assert within(5, lambda: not alive(int((tiny / "wait-pid").read_text())))
    assert _latest_run().state.is_cancelled()


def test_called_on_its_own_it_takes_the_defaults_of_the_command_line(tiny: Path, server: None, monkeypatch) -> None:
    given = {}

    def run_target(*_: object, workers: int, **__: object) -> dict[str, Done]:
        given.update(workers=workers, quiet=os.environ.get("DVC_NO_ANALYTICS"))
        return {}

    monkeypatch.delenv("DVC_NO_ANALYTICS")
    monkeypatch.setattr(run, "run_target", run_target)
    monkeypatch.setattr(run, "default_workers", lambda: 3)
    experiment_flow("tiny")
    assert given == {"workers": 3, "quiet": "1"}


def test_a_server_that_is_down_and_a_damaged_database_are_named_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").write_bytes(b"no database at all" * 100)
    start = time.monotonic()
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), pytest.raises(UserError) as down:
        run_flow("tiny", None)
    assert "no Prefect server answers at PREFECT_API_URL, http://127.0.0.1:9/api (" in str(down.value)
    assert "run without --prefect, which needs none" in str(down.value)
    without = temporary_settings({PREFECT_HOME: tmp_path}, restore_defaults={PREFECT_API_URL})
    with (
        without,
        pytest.raises(UserError, match=rf"{tmp_path}/prefect.db is damaged \(file is not a database\); move it"),
    ):
        run_flow("tiny", None)
    assert time.monotonic() - start < 10


def test_a_server_of_something_else_is_named() -> None:
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as other:
        Thread(target=other.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{other.server_port}/api"
        with temporary_settings({PREFECT_API_URL: url}), pytest.raises(UserError, match="^no Prefect server") as found:
            run_flow("tiny", None)
    assert f"PREFECT_API_URL, {url} (what is there answers 404 File not found); start one" in str(found.value)


def test_only_a_server_with_an_address_has_pages_to_link() -> None:
    page = "http://127.0.0.1:4200/flow-runs/flow-run/7"
    assert run_tags("prefect_flow", 7, page) == {"prefect_flow_run": "7", "prefect_flow_url": page}
    temporary = "None/flow-runs/flow-run/7"  # what Prefect says of its temporary server
    assert run_tags("prefect_flow", 7, temporary) == run_tags("prefect_flow", 7, None) == {"prefect_flow_run": "7"}


def _recorded(flow_run_id: UUID) -> tuple[FlowRun, list[TaskRun]]:
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(flow_run_id)
        return run, client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])))


def _logs(flow_run_id: UUID, awaited: str) -> list[str]:
    """What the run and its tasks have said, once that line is there: lines arrive in batches."""
    query = {"logs": {"flow_run_id": {"any_": [str(flow_run_id)]}}, "limit": 200}
    found: list[str] = []

    def is_there() -> bool:
        found[:] = [entry["message"] for entry in client.request("POST", "/logs/filter", json=query).json()]
        return awaited in found

    with get_client(sync_client=True) as client:
        assert within(30, is_there, every=0.5), found
    return found


def _tags(root: Path) -> list[dict[str, str]]:
    return [found.data.tags for found in MlflowClient(store_of(root)).search_runs(["1"])]


def _artifact(key: str) -> Artifact:
    with get_client(sync_client=True) as client:
        (found,) = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])), sort=ArtifactSort.CREATED_DESC, limit=1
        )
        return found


def _latest_run() -> FlowRun:
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
        return run


def _cancel_when(condition: Callable[[], bool]) -> None:
    assert within(60, condition)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(_latest_run().id, Cancelling(), force=True)


def test_a_net_is_promoted_in_the_end_or_the_request_kept(tiny: Path, server: None, monkeypatch) -> None:
    with pytest.raises(UserError, match="^promote.sparsity: unknown key; allowed here: level, max_energy"):
        experiment_flow("tiny", promote={"sparsity": 0.5})
    assert experiment_flow("tiny", promote={"level": 0.5, "model": "edge"}, return_state=True).is_completed()
    held = MlflowClient(store_of(tiny)).get_model_version_by_alias("edge", "champion")
    assert held.tags["net"] == "cqp@0.50/seed0"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert experiment_flow("tiny", promote={"level": 0.5}, return_state=True).is_completed()
    assert [one.file.name for one in kept(tiny)] == ["tiny-to-tiny.json"]
