"""Brings up all that schedules need, on this machine alone, until Ctrl-C or SIGTERM: `snnprune deploy`.

That is Prefect's server (without a real one no schedule fires) and a process that serves the deployments of
prefect.yaml. They keep what they know in `.prefect/` in the project. Nothing of them runs on when this ends, however it
does.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from urllib.error import URLError
from urllib.request import urlopen

from filelock import FileLock, Timeout

from flows.engine.interrupt import Interrupted, interruptible
from flows.engine.sweep import sweep_at_end
from flows.environment import set_defaults, stage_environment

HOST = "127.0.0.1"
HOME = Path(".prefect")
LOCK = HOME / "deploy.lock"
ADDRESS = HOME / "address"
DEPLOYMENTS = Path("prefect.yaml")
STARTUP_SECONDS = 120


class DeployError(RuntimeError):
    """A part did not come up, or ended; the message says which, and where its log is."""


def deploy(port: int = 4200) -> int:
    """Run server and deployments of the project in the current folder; the exit code.

    0 when it was asked to end, or all is up already; 1 after `error: ...` on standard error.
    """
    HOME.mkdir(exist_ok=True)
    url = f"http://{HOST}:{port}"
    try:
        with FileLock(LOCK, timeout=0), interruptible():
            ADDRESS.write_text(url, encoding="utf-8")
            sweep_at_end()
            _keep_up(url, port)
    except Timeout:
        print(f"already up: {ADDRESS.read_text(encoding='utf-8')} (end the other `deploy` with Ctrl-C)")
    except DeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Interrupted:
        print("ended: the server and the runs in progress")
    return 0


def _keep_up(url: str, port: int) -> None:
    """Keep both processes up until one ends or this is interrupted. Raises DeployError."""
    if not DEPLOYMENTS.is_file():
        raise DeployError(f"{DEPLOYMENTS}, which lists the deployments, was not found in {Path.cwd()}")
    _require_free(port)
    set_defaults()
    os.environ["PREFECT_HOME"] = str(HOME.resolve())
    os.environ["PREFECT_API_URL"] = f"{url}/api"
    with _running("server", ["prefect", "server", "start", "--host", HOST, "--port", str(port)]) as server:
        _wait_for(url, server)
        with _running("serve", ["flows.scheduled.serve"]) as serving:
            print(f"up: {url} lists runs and schedules; logs are in {HOME}; Ctrl-C ends it all")
            print(f"to run one: PREFECT_API_URL={url}/api prefect deployment run experiment/smoke", flush=True)
            while server.poll() is None and serving.poll() is None:
                Event().wait(0.5)
            ended = "server" if serving.returncode is None else "serve"
    raise DeployError(f"the {ended} process has ended; see {_log(ended)}")


@contextmanager
def _running(name: str, module: list[str]) -> Iterator[subprocess.Popen]:
    """A Python module in the background, killed at the end; its output goes to a log."""
    with (
        _log(name).open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", *module],
            env=stage_environment(),
            stdin=subprocess.DEVNULL,
            stdout=None if name == "serve" else log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for this process to pass on
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def _log(name: str) -> Path:
    return HOME / f"{name}.log"


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DeployError(f"port {port} of {HOST} is in use by another program; choose one with --port") from error


def _wait_for(url: str, server: subprocess.Popen) -> None:
    end = time.monotonic() + STARTUP_SECONDS
    while not _is_healthy(url):
        if server.poll() is not None or time.monotonic() > end:
            raise DeployError(f"the server did not come up at {url}; see {_log('server')}")
        Event().wait(0.2)


def _is_healthy(url: str) -> bool:
    try:
        with urlopen(f"{url}/api/health", timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False
