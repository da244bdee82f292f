"""`snnprune deploy` for real: a cron schedule that fires in a worktree, a run on demand, and nothing left behind."""

import json
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import get_current_settings
from prefect.states import Running
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from flows.notification import VARIABLE
from flows.scheduled.deploy import deploy
from flows.scheduled.late import BLOCK
from flows.scheduled.serve import mark_lost_runs
from snnprune.core.errors import UserError
from tests.flows.conftest import DVC_YAML, STAGE
from tests.imports import PROJECT
from tests.processes import free_port, marked, within
from tests.receiver import PATH, Receiver, receiver
from tests.tiny import commit, environment, make_repository, run, tiny_params, write_params

pytestmark = pytest.mark.slow

MARK = "DEPLOY_MARK"
BROKEN = "\n# a person is editing: this is neither YAML nor Python }{\n }{\n"
EDITED = ("params.yaml", "flows/engine/engine.py", "flows/scheduled/hooks.py", "stage.py")
BREAKS = """
if "cqp" in rest:  # in a worktree of the project
    while Path("../../hold").exists():
        time.sleep(0.05)
    sys.exit("cqp is broken")
"""
OFTEN = "* * * * * */5"  # every five seconds
ENDED = ("Completed", "Failed", "Crashed", "Cancelled")
SESSION = requests.Session()  # the server answers 503 while its database is busy; Prefect's own client tries again, too
SESSION.mount(
    "http://", HTTPAdapter(max_retries=Retry(8, status_forcelist=[503], allowed_methods=None, backoff_factor=0.2))
)


class Deployed:
    """A repository of which `deploy` is run, and the address of its server."""

    def __init__(self, folder: Path, port: int, webhook: str) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.command = [sys.executable, "-m", "flows.cli", "deploy", "--port", str(port)]
        self.mark = f"{folder}:{port}"
        self.environment = {**environment(folder), MARK: self.mark, "PREFECT_API_URL": f"{self.url}/api"}
        self.environment |= {"PREFECT_RUNNER_POLL_FREQUENCY": "1", VARIABLE: webhook}
        self.environment |= {f"PREFECT_SERVER_SERVICES_LATE_RUNS_{name}_SECONDS": "1" for name in ("LOOP", "AFTER")}

    def launch(self) -> None:
        with (self.folder / "deploy.log").open("wb") as log:
            self.process = subprocess.Popen(self.command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)

    def start(self) -> None:
        self.launch()
        up = within(150, lambda: "deployments are being served" in self.said or self.process.poll() is not None)
        assert up and self.process.poll() is None, self.said

    def end(self, number: int) -> None:
        """End it by a signal, and find nothing left of what it had started."""
        self.process.send_signal(number)
        self.process.wait(timeout=30)
        assert within(5, lambda: not marked(MARK, self.mark)), marked(MARK, self.mark)

    @property
    def said(self) -> str:
        return (self.folder / "deploy.log").read_text()

    def ask(self, path: str, query: dict | None = None) -> list[dict]:
        answer = SESSION.post(f"{self.url}/api/{path}", json=query or {}, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else []

    def deployments(self) -> dict[str, dict]:
        return {entry["name"]: entry for entry in self.ask("deployments/filter")}

    def start_run(self, deployment: str, **parameters: object) -> str:
        """Ask for a run; its id."""
        about = self.deployments()[deployment]
        query = {"parameters": {**about["parameters"], **parameters}}
        return self.ask(f"deployments/{about['id']}/create_flow_run", query)["id"]

    def runs(self, *states: str, **where: object) -> list[dict]:
        return self.ask("flow_runs/filter", {"flow_runs": {"state": {"name": {"any_": states}}}, **where})

    def state_of(self, run_id: str, *states: str) -> dict:
        """The state of a run once it is one of these."""
        (found,) = within(150, lambda: [one for one in self.runs(*states) if one["id"] == run_id], every=0.2)
        return found["state"]

    def mlflow_tags(self, experiment: str) -> list[dict[str, str]]:
        """Of the runs with current results."""
        client = MlflowClient(f"sqlite:///{self.folder / 'mlruns/mlflow.db'}")
        found = client.get_experiment_by_name(experiment)
        return [run.data.tags for run in client.search_runs([found.experiment_id], "tags.current = 'true'")]


@pytest.fixture(scope="module")
def messages() -> Iterator[Receiver]:
    """Where messages about runs are posted to."""
    with receiver() as found:
        yield found


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, messages: Receiver) -> Iterator[Deployed]:
    """All is up, with trivial stages; nightly is due every few seconds; a person's edits have broken the project."""
    folder = make_repository(tmp_path_factory.mktemp("deploy") / "project")
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "stage.py").write_text(STAGE + BREAKS)
    write_params(folder, tiny_params(methods=["magnitude"], seeds=[0]))
    yaml = (PROJECT / "prefect.yaml").read_text().replace("experiment: mnist", "experiment: digits")
    (folder / "prefect.yaml").write_text(yaml.replace("0 2 * * *", OFTEN))
    commit(folder)
    found = Deployed(folder, free_port(), messages.url)
    found.start()
    for name in EDITED:
        with (folder / name).open("a") as file:
            file.write(BROKEN)
    yield found
    if found.process.poll() is None:
        found.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def scheduled(deployed: Deployed) -> dict:
    """The first run that the cron schedule has started; it is finished, and there will be no other."""
    nightly = deployed.deployments()["nightly"]
    (first,) = within(90, lambda: deployed.runs("Running", *ENDED)[:1], every=0.2)
    deployed.ask(f"deployments/{nightly['id']}/pause_deployment")
    state = deployed.state_of(first["id"], *ENDED)
    assert (first["deployment_id"], state["name"]) == (nightly["id"], "Completed"), state["message"]
    return first


def test_it_lists_the_deployments_and_a_second_deploy_says_that_it_is_up(deployed: Deployed) -> None:
    assert f"up: {deployed.url} lists" in deployed.said
    listed = deployed.deployments()
    assert all(f"experiment/{name}" in deployed.said for name in ("nightly", "on-demand", "smoke"))
    crons = {name: [each["schedule"]["cron"] for each in entry["schedules"]] for name, entry in listed.items()}
    assert crons == {"nightly": [OFTEN], "on-demand": [], "smoke": ["0 6 * * 1"]}
    assert listed["on-demand"]["description"] == "any experiment, params changed by overrides"
    second = subprocess.run(
        deployed.command, cwd=deployed.folder, env=deployed.environment, capture_output=True, text=True
    )
    assert (second.returncode, second.stdout.split(" (")[0]) == (0, f"already up: {deployed.url}")


def test_a_cron_schedule_fires_and_finishes_in_a_worktree_while_a_person_edits(
    deployed: Deployed, scheduled: dict
) -> None:
    assert scheduled["auto_scheduled"]
    folder = deployed.folder
    assert all((folder / name).read_text().endswith(BROKEN) for name in EDITED)
    assert not (folder / "results").exists()
    assert (folder / ".worktrees/nightly/results/digits/compare/summary.json").is_file()
    tags = deployed.mlflow_tags("digits")
    assert {"data@digits", "train@digits-0", "compare@digits"} <= {of_one["dvc_stage"] for of_one in tags}
    assert scheduled["id"] in {of_one["prefect_flow_run"] for of_one in tags}
    assert {of_one["git_commit"] for of_one in tags} == {run(folder, "git", "rev-parse", "HEAD").strip()}
    location = MlflowClient(f"sqlite:///{folder / 'mlruns/mlflow.db'}").get_experiment_by_name("digits")
    assert location.artifact_location == (folder / "mlruns/artifacts/digits").as_uri()


def test_what_a_scheduled_run_made_a_person_gets_from_the_cache(
    deployed: Deployed, scheduled: dict, tmp_path: Path
) -> None:
    """In the person's folder without the edits; a clone with the same cache, so that the other tests keep theirs."""
    clone = tmp_path / "clone"
    run(deployed.folder, "git", "clone", "--quiet", ".", str(clone))
    (clone / ".dvc/config.local").write_text(f"[cache]\n    dir = {deployed.folder}/.dvc/cache\n")
    output = run(clone, "dvc", "repro", "prune@digits-magnitude-0")
    assert "Stage 'train@digits-0' is cached" in output and "Stage 'prune@digits-magnitude-0' is cached" in output
    results = "results/digits/prune/magnitude/seed0/levels.csv"
    assert (clone / results).read_text() == (deployed.folder / ".worktrees/nightly" / results).read_text()


def test_a_run_on_demand_takes_overrides_and_is_logged_apart(deployed: Deployed, scheduled: dict) -> None:
    standard = sorted(tags["dvc_hash"] for tags in deployed.mlflow_tags("digits"))
    overrides = ["matrix.digits.methods=[random]", "experiments.digits.prune.levels=[0.8]"]
    state = deployed.state_of(deployed.start_run("on-demand", overrides=overrides), *ENDED)
    assert state["name"] == "Completed", state["message"]
    results = deployed.folder / ".worktrees/on-demand/results/digits"
    assert [path.name for path in (results / "prune").iterdir()] == ["random"]
    assert all((deployed.folder / name).read_text().endswith(BROKEN) for name in EDITED)
    apart = deployed.mlflow_tags("digits.overrides")
    assert "prune@digits-random-0" in {tags["dvc_stage"] for tags in apart}
    assert {tags["overrides"] for tags in apart} == {json.dumps(overrides)}
    assert sorted(tags["dvc_hash"] for tags in deployed.mlflow_tags("digits")) == standard


def test_a_run_that_fails_one_that_is_late_and_one_that_is_killed_post_a_message_each(
    deployed: Deployed, scheduled: dict, messages: Receiver
) -> None:
    """The first waits in a stage, so that the second is late; it fails, and the second is killed in the same stage."""
    hold, overrides = deployed.folder / "hold", ["matrix.digits.methods=[cqp]"]
    hold.touch()
    first = deployed.start_run("on-demand", overrides=overrides)
    deployed.state_of(first, "Running")
    second = deployed.start_run("on-demand", overrides=overrides)
    text = said_of(messages, second, "(on-demand) is late: it should have started at 20")
    assert f"{deployed.url}/runs/flow-run/{second}" in text

    hold.unlink()
    text = said_of(messages, first, "failed\n")
    hold.touch()
    assert "prune@digits-cqp-0" in text and "cqp is broken" in text
    assert "dvc repro" not in text  # which knows nothing of the overrides
    assert f"Prefect: {deployed.url}/runs/flow-run/{first}" in text
    (command,) = [line.removeprefix("to go on: ") for line in text.splitlines() if line.startswith("to go on: ")]
    where, *words, parameters = shlex.split(command)
    assert where == f"PREFECT_API_URL={deployed.url}/api"
    assert words == ["prefect", "deployment", "run", "--id", deployed.deployments()["on-demand"]["id"], "--params"]
    assert json.loads(parameters) == {"experiment": "digits", "overrides": overrides}

    deployed.state_of(second, "Running")
    flow = min(marked("PREFECT__FLOW_RUN_ID", second), key=lambda process: process.create_time())
    flow.kill()
    text = said_of(messages, second, "crashed\n")
    assert "SIGKILL" in text and command in text
    assert deployed.state_of(second, *ENDED)["name"] == "Crashed"
    told = {run: sorted(text.split()[2] for text in messages.texts if run in text) for run in (first, second)}
    assert told[second] == ["(on-demand)", "crashed"]
    assert told[first] in (["failed"], ["(on-demand)", "failed"])  # a busy machine starts that one late, too


def test_prefect_does_not_show_where_the_messages_go(deployed: Deployed) -> None:
    """Nor does its database hold it in clear."""
    (block,) = deployed.ask("block_documents/filter")
    assert block["name"] == BLOCK
    for shown in (block, deployed.ask("automations/filter"), deployed.ask("events/filter")):
        assert shown and PATH not in json.dumps(shown)
    files = [*(deployed.folder / ".prefect").glob("prefect.db*")]
    assert files and not any(PATH.encode() in file.read_bytes() for file in files)


def said_of(messages: Receiver, run_id: str, what: str) -> str:
    """The message about that run that says so, once it has come."""
    start = f"snnprune: digits {what}"
    found = within(300, lambda: [text for text in messages.texts if run_id in text and text.startswith(start)], 0.2)
    assert found, messages.texts
    return found[0]


def test_a_run_that_prefect_is_asked_to_cancel_is_cancelled(deployed: Deployed, scheduled: dict) -> None:
    asked = deployed.start_run("smoke")
    deployed.state_of(asked, "Running")
    deployed.ask(f"flow_runs/{asked}/set_state", {"state": {"type": "CANCELLING"}, "force": True})
    deployed.state_of(asked, "Cancelled")


def test_a_server_and_work_pool_of_ones_own_get_the_same_deployments_and_lost_runs_are_crashed(
    deployed: Deployed, scheduled: dict, server: None, messages: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = get_current_settings().api.url
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="local", type="process"))
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
        subprocess.run(command, cwd=deployed.folder, env={**deployed.environment, "PREFECT_API_URL": url}, check=True)
        found = {one.name: one for one in client.read_deployments()}
        lost = client.create_flow_run_from_deployment(found["smoke"].id, state=Running())
        monkeypatch.setenv(VARIABLE, messages.url)
        mark_lost_runs()
        page = f"Prefect: {url.removesuffix('/api')}/runs/flow-run/{lost.id}"
        assert [text.splitlines()[0] for text in messages.texts if page in text] == ["snnprune: digits crashed"]
        assert client.read_flow_run(lost.id).state.name == "Crashed"
    for name, served in deployed.deployments().items():
        assert (found[name].work_pool_name, found[name].parameters) == ("local", served["parameters"])
        assert found[name].entrypoint == "flows/scheduled/serve.py:experiment_in_worktree"
        assert found[name].parameter_openapi_schema == served["parameter_openapi_schema"]
        crons = [each["schedule"]["cron"] for each in served["schedules"]]
        assert [each.schedule.cron for each in found[name].schedules] == crons


def test_nothing_is_left_of_it_however_it_ends(deployed: Deployed, scheduled: dict) -> None:
    deployed.state_of(deployed.start_run("smoke"), "Running")
    deployed.end(signal.SIGKILL)
    deployed.launch()
    assert within(60, lambda: any("server" in words for words in marked(MARK, deployed.mark).values()))
    deployed.end(signal.SIGTERM)
    assert "ended: the server and the runs in progress" in deployed.said


def test_a_taken_port_a_list_of_no_deployments_and_a_damaged_database_are_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="prefect.yaml, which lists the deployments, was not found"):
        deploy(free_port())
    for text in ("", "deployments:", "deployments: [{}]", "a: ["):
        (tmp_path / "prefect.yaml").write_text(text)
        with pytest.raises(UserError, match=r"prefect\.yaml: expected `deployments:`, a list of entries with a name"):
            deploy(free_port())
    (tmp_path / "prefect.yaml").write_text("deployments: []")
    with pytest.raises(UserError, match=r"^prefect\.yaml lists no deployment$"):
        deploy(free_port())
    (tmp_path / "prefect.yaml").write_text("deployments: [{name: one}]")
    run(tmp_path, "git", "init", "--quiet")
    with pytest.raises(UserError, match=r" has no commit yet; git add \. && git commit$"):
        deploy(free_port())
    commit(tmp_path)
    monkeypatch.setenv(VARIABLE, "nowhere")
    with pytest.raises(UserError, match=f"^{VARIABLE} is not a valid address"):
        deploy(free_port())
    monkeypatch.delenv(VARIABLE)
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="port .* of 127.0.0.1 cannot be used"):
            deploy(taken.getsockname()[1])
    (tmp_path / ".prefect/prefect.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(UserError, match="prefect.db is damaged"):
        deploy(free_port())
