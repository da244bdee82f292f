"""What Prefect calls when a run has ended badly; no server is needed for it."""

from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed, Failed

from flows.notification import VARIABLE
from flows.scheduled.hooks import command_of, notify
from flows.scheduled.prefect_flow import experiment_flow
from flows.scheduled.serve import experiment_in_worktree
from tests.receiver import receiver


def flow_run(deployment: UUID | None = None, **parameters: object) -> FlowRun:
    return FlowRun(flow_id=uuid4(), name="quick-otter", parameters=parameters, deployment_id=deployment)


@pytest.mark.parametrize("flow", [experiment_flow, experiment_in_worktree], ids=["by hand", "deployed"])
def test_both_flows_tell_of_failures_and_crashes(monkeypatch: pytest.MonkeyPatch, flow) -> None:
    of_run, killed = flow_run(experiment="digits"), Crashed(message="the process was killed")
    with receiver() as found:
        monkeypatch.setenv(VARIABLE, found.url)
        for hooks in (flow.on_failure_hooks, flow.on_crashed_hooks):
            (hook,) = hooks
            hook(flow, of_run, killed)  # as the engine of a flow calls it
            hook(flow=flow, flow_run=of_run, state=killed)  # as the process that serves does when a flow was killed
    assert len(found.texts) == 4
    for text in found.texts:
        assert text.startswith("snnprune: digits crashed\nthe process was killed\nto go on: snnprune run digits")
        assert f"flow run {of_run.id}" in text or f"/flow-run/{of_run.id}" in text


def test_a_reason_has_neither_prefects_words_nor_a_command_for_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage's command would run it without the flow's overrides."""
    failures = [f"stage {name} failed: exit code 1; its last lines:\n  | broken" for name in "ab"]
    told = [f"{failure}\nto run it again: dvc repro {name}" for name, failure in zip("ab", failures, strict=True)]
    state = Failed(message="Flow run encountered an exception: FlowFailed: " + "\n".join(told))
    reason = "\n".join(failures)
    with receiver() as found:
        monkeypatch.setenv(VARIABLE, found.url)
        notify(None, flow_run(experiment="digits"), state)
        notify(None, flow_run(), Failed())
    assert found.texts[0].startswith(f"snnprune: digits failed\n{reason}\nto go on: ")
    assert found.texts[1].startswith("snnprune: quick-otter failed\nno reason was given\n")


def test_the_command_starts_the_same_run_again() -> None:
    assert command_of(flow_run(experiment="digits", workers=None)) == "snnprune run digits --prefect"
    assert command_of(flow_run(experiment="digits", workers=2)) == "snnprune run digits --prefect --workers 2"
    deployed = flow_run(UUID(int=7), experiment="digits", overrides=["a.b='c'"])
    given = """'{"experiment": "digits", "overrides": ["a.b='"'"'c'"'"'"]}'"""
    with temporary_settings({PREFECT_API_URL: "http://h:4300/api"}):
        command = command_of(deployed)
    assert command == f"PREFECT_API_URL=http://h:4300/api prefect deployment run --id {UUID(int=7)} --params {given}"
