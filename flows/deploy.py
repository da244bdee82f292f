"""Brings up all that schedules need, on this machine alone: `python -m flows.deploy`, ended by Ctrl-C or SIGTERM.

Prefect's server, a work pool of processes, the deployments of prefect.yaml, and a worker. They keep what they know in
`.prefect/` in the project. Nothing of them runs on when this ends, however it does.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import requests

from flows import guard
from flows.environment import DEFAULTS, stage_environment
from flows.interrupt import Interrupted, interruptible

HOST = "127.0.0.1"
PORT = 4200
POOL = "local"
HOME = Path(".prefect")
PROJECT_VARIABLE = "SNN_PROJECT"  # prefect.yaml asks for it
STARTUP_SECONDS = 120


class DeployError(RuntimeError):
    """A part did not come up; the message says which and where its log is."""


def main(arguments: list[str] | None = None) -> int:
    """The command line; run in the project's folder. 0 when it was asked to end, or all is up already."""
    parser = argparse.ArgumentParser(prog="python -m flows.deploy", description="Server, worker and deployments.")
    parser.add_argument("--port", type=int, default=PORT, help=f"of the server (default: {PORT})")
    port = parser.parse_args(arguments).port
    url = f"http://{HOST}:{port}"
    if _is_healthy(url):
        print(f"already up: {url} (end the other `make deploy` with Ctrl-C)")
        return 0
    environment = environment_of(Path.cwd(), url)
    try:
        with interruptible(), _running("server", ["server", "start", "--host", HOST, "--port", str(port)], environment):
            _wait_for(url)
            _prefect(environment, "work-pool", "create", POOL, "--type", "process", "--overwrite")
            _prefect(environment, "--no-prompt", "deploy", "--all")
            with _running("worker", ["worker", "start", "--pool", POOL], environment) as worker:
                print(f"up: {url} shows runs and schedules; `prefect deployment run 'experiment/smoke'` starts one")
                print(f"logs: {HOME}/*.log; for prefect commands: export PREFECT_API_URL={url}/api", flush=True)
                code = worker.wait()
                raise DeployError(f"the worker ended with exit code {code}; see {HOME / 'worker.log'}")
    except DeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Interrupted:
        print("ended: server, worker and the runs they had started")
        return 0


def environment_of(root: Path, url: str) -> dict[str, str]:
    """What the server, the worker and the runs it starts get from us: the project's own Prefect, and no telemetry."""
    mlflow = f"sqlite:///{root.resolve() / 'mlruns' / 'mlflow.db'}"
    return {
        **DEFAULTS,
        "MLFLOW_TRACKING_URI": mlflow,  # worktrees show their results where the project does
        **stage_environment(),
        "PREFECT_HOME": str(root.resolve() / HOME),
        "PREFECT_API_URL": f"{url}/api",
        PROJECT_VARIABLE: str(root.resolve()),
    }


@contextmanager
def _running(name: str, command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen]:
    """A Prefect command in the background, guarded; its output goes to a log."""
    HOME.mkdir(exist_ok=True)
    with (
        (HOME / f"{name}.log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, guard.__file__, sys.executable, "-m", "prefect", *command],
            env=environment,
            stdin=subprocess.PIPE,  # closing it ends them all
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        yield process


def _wait_for(url: str) -> None:
    end = time.monotonic() + STARTUP_SECONDS
    while not _is_healthy(url):
        if time.monotonic() > end:
            raise DeployError(f"the server did not answer at {url}; see {HOME / 'server.log'}")
        Event().wait(0.2)


def _is_healthy(url: str) -> bool:
    try:
        return requests.get(f"{url}/api/health", timeout=2).ok
    except requests.RequestException:
        return False


def _prefect(environment: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "prefect", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeployError(f"prefect {' '.join(arguments)}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
