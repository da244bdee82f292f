"""Serves MLflow's pages for the project's store: `snnprune ui`."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from flows.engine.stop import Interrupted, interruptible
from flows.engine.sweep import sweep_at_end
from flows.environment import HOST, answers, require_free, set_defaults, stage_environment
from flows.tracking.location import local_database, store_uri, trouble_with
from snnprune.core.errors import UserError


def open_ui(port: int) -> None:
    """Run MLflow's server for the project in the current folder, until Ctrl-C. A tracking server that
    MLFLOW_TRACKING_URI names has pages of its own: its address is printed. Raises UserError: there is no store yet, it
    was moved, its folder has a name that MLflow misreads, the port is taken, or the server ended."""
    set_defaults()
    uri, database = store_uri(Path.cwd()), local_database(Path.cwd())
    if uri.startswith("http"):
        print(f"MLFLOW_TRACKING_URI is set: open {uri}")
        return
    if database and not database.is_file():
        raise UserError(f"{database} was not found; `snnprune run` or `snnprune track` makes it")
    if database and (problem := trouble_with(database)):
        raise UserError(problem)
    require_free(port)
    url = f"http://{HOST}:{port}"
    with interruptible(), suppress(Interrupted):
        sweep_at_end()
        server = subprocess.Popen(server_command(uri, port), env=stage_environment())
        if answers(f"{url}/health", server):
            print(f"MLflow: {url} (Ctrl-C stops it)", flush=True)
        raise UserError(f"MLflow's server ended with exit code {server.wait()}; its lines above say why")


def server_command(uri: str, port: int) -> list[str]:
    """The command that serves a store."""
    options = ["--workers", "1", "--host", HOST, "--port", str(port), "--backend-store-uri", uri]
    return [sys.executable, "-m", "mlflow", "ui", *options]
