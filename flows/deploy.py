"""Brings up all that schedules need, on this machine alone: `python -m flows.deploy`, ended by Ctrl-C or SIGTERM.

Prefect's server, a work pool of processes, the deployments of prefect.yaml, and a worker. They keep what they know in
`.prefect/` in the project. Nothing of them runs on when this ends, however it does.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import requests
from filelock import FileLock, Timeout

from flows import deployments, guard
from flows.environment import DEFAULTS, PROJECT_VARIABLE, stage_environment
from flows.interrupt import Interrupted, interruptible
from flows.store_place import local_database, local_uri
from pipeline.data.sources import ENVIRONMENT_VARIABLE as DATA_VARIABLE

HOST = "127.0.0.1"
PORT = 4200
POOL = "local"
HOME = Path(".prefect")
LOCK = HOME / "deploy.lock"
ADDRESS = HOME / "address"
LOGS = f"{HOME}/server.log, {HOME}/worker.log"
STARTUP_SECONDS = 120
RUNS_AT_A_TIME = 1  # each takes all cores


class DeployError(RuntimeError):
    """A part did not come up, or ended; the message says which, and where its log is."""


def main(arguments: list[str] | None = None) -> int:
    """The command line; run in the project's folder. 0 when it was asked to end, or all is up already."""
    parser = argparse.ArgumentParser(prog="python -m flows.deploy", description="Server, worker and deployments.")
    parser.add_argument("--port", type=int, default=PORT, help=f"of the server (default: {PORT})")
    port = parser.parse_args(arguments).port
    HOME.mkdir(exist_ok=True)
    try:
        with FileLock(LOCK, timeout=0), interruptible():
            ADDRESS.write_text(f"http://{HOST}:{port}", encoding="utf-8")
            serve(port)
    except Timeout:
        print(f"already up: {ADDRESS.read_text(encoding='utf-8')} (end the other `make deploy` with Ctrl-C)")
        return 0
    except DeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Interrupted:
        print("ended: server, worker and the runs they had started")
        return 0


def serve(port: int) -> None:
    """Keep it all up until one part ends or this is interrupted.

    Raises:
        DeployError: the port is taken, or a part did not come up, or has ended.
    """
    _require_free(port)
    url = f"http://{HOST}:{port}"
    environment = environment_of(Path.cwd(), url)
    with _running("server", ["server", "start", "--host", HOST, "--port", str(port)], environment) as server:
        _wait_for(url, server)
        deployments.end_lost_runs(url, POOL)
        _prefect(environment, "work-pool", "create", POOL, "--type", "process", "--overwrite")
        _prefect(environment, "--no-prompt", "deploy", "--all")
        worker_command = ["worker", "start", "--pool", POOL, "--limit", str(RUNS_AT_A_TIME)]
        with _running("worker", worker_command, environment):
            _say_what_is_up(url)
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)  # either of them
            raise DeployError(
                f"the server or the worker has ended; see {HOME / 'server.log'} and {HOME / 'worker.log'}"
            )


def environment_of(root: Path, url: str) -> dict[str, str]:
    """What the server, the worker and the runs it starts get from us: the project's own Prefect, and no telemetry."""
    database = local_database(root.resolve())
    data = os.environ.get(DATA_VARIABLE)
    return {
        **DEFAULTS,
        **stage_environment(),
        # Worktrees show their results where the project does.
        **({"MLFLOW_TRACKING_URI": local_uri(database)} if database else {}),
        **({DATA_VARIABLE: str((root / data).resolve())} if data else {}),  # runs work in another folder
        "PREFECT_HOME": str(root.resolve() / HOME),
        "PREFECT_API_URL": f"{url}/api",
        PROJECT_VARIABLE: str(root.resolve()),
    }


def _say_what_is_up(url: str) -> None:
    print("deployments:")
    for line in deployments.described(url):
        print(f"  {line}")
    print(f"logs: {LOGS}; Ctrl-C ends server, worker and what they run")
    print(f"one by hand: PREFECT_API_URL={url}/api prefect deployment run experiment/smoke")
    print(f"up: {url} shows runs and schedules", flush=True)


@contextmanager
def _running(name: str, command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen]:
    """A Prefect command in the background, guarded; its output goes to a log."""
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


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DeployError(
                f"port {port} of {HOST} is in use by another program; take another: make deploy PORT=..."
            ) from error


def _wait_for(url: str, server: subprocess.Popen) -> None:
    end = time.monotonic() + STARTUP_SECONDS
    while not _is_healthy(url):
        if server.poll() is not None or time.monotonic() > end:
            raise DeployError(f"the server did not come up at {url}; see {HOME / 'server.log'}")
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
