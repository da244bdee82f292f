"""Brings up all that schedules need, on this machine alone, until Ctrl-C or SIGTERM: `snnprune deploy`.

That is Prefect's server (without a real one no schedule fires) and a process that serves the deployments of
prefect.yaml. They keep what they know in `.prefect/` in the project. Nothing of them outlives this process.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from flows.engine.stop import Interrupted, interruptible
from flows.engine.sweep import sweep, sweep_at_end
from flows.environment import HOST, answers, require_free, set_defaults, stage_environment
from flows.notification import require_webhook
from flows.scheduled.database import DATABASE, require_whole
from flows.scheduled.deployments import DEPLOYMENTS, read_entries
from flows.scheduled.worktree import commit_of
from snnprune.core.errors import UserError

HOME = Path(".prefect")
ADDRESS = HOME / "address"


def deploy(port: int = 4200) -> None:
    """Run server and deployments of the project in the current folder, until asked to end or if all is up already.
    Raises UserError: the port is taken, prefect.yaml lists no deployment, there is no commit, the address for messages
    is not valid, or one of the two processes ended."""
    HOME.mkdir(exist_ok=True)
    try:
        with FileLock(HOME / "deploy.lock", timeout=0), interruptible():
            _keep_up(port)
    except Timeout:
        print(f"already up: {ADDRESS.read_text(encoding='utf-8')} (end the other `snnprune deploy` with Ctrl-C)")
    except Interrupted:
        print("ended: the server and the runs in progress")


def _keep_up(port: int) -> None:
    """Keep both processes up until one ends or this is interrupted. Raises UserError."""
    entries = read_entries(Path.cwd())
    if not entries:
        raise UserError(f"{DEPLOYMENTS} lists no deployment")
    first = min(entries, key=lambda entry: bool(entry.get("schedules")))["name"]  # on demand, if there is one
    require_free(port)
    require_whole(HOME / DATABASE)
    require_webhook()
    commit_of(Path.cwd())  # which the runs will have
    url = f"http://{HOST}:{port}"
    ADDRESS.write_text(url, encoding="utf-8")
    set_defaults()
    os.environ |= {"PREFECT_HOME": str(HOME.resolve()), "PREFECT_API_URL": f"{url}/api"}
    mark = sweep_at_end()
    try:
        server = _start("server", "prefect", "server", "start", "--host", HOST, "--port", str(port))
        if not answers(f"{url}/api/health", server):
            raise UserError(f"the server did not come up at {url}; see the logs in {HOME}")
        serving = _start("serve", "flows.scheduled.serve")
        print(f"up: {url} lists runs and schedules; logs are in {HOME}; Ctrl-C ends it all")
        print(f"to run one: PREFECT_API_URL={url}/api prefect deployment run experiment/{first}", flush=True)
        while server.poll() is None and serving.poll() is None:
            time.sleep(0.5)
    finally:
        sweep(mark)
    raise UserError(f"the server or what serves the deployments has ended; see the logs in {HOME}")


def _start(name: str, *module: str) -> subprocess.Popen:
    """A Python module in the background, with a log; only what Prefect says of the deployments is printed here."""
    with (HOME / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *module],
            env=stage_environment(),
            stdin=subprocess.DEVNULL,
            stdout=None if name == "serve" else log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for this process alone
        )
