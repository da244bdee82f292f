"""Serves MLflow's pages for the project's store: `snnprune ui`."""

import os
import sys
from pathlib import Path

from flows.environment import HOST, require_free, set_defaults, stage_environment
from flows.tracking.location import local_database, store_uri
from snnprune.core.errors import UserError


def open_ui(port: int) -> None:
    """Become MLflow's server for the project in the current folder, until Ctrl-C. A tracking server that
    MLFLOW_TRACKING_URI names has pages of its own: its address is printed. Raises UserError: there is no store yet, or
    the port is taken."""
    set_defaults()
    uri, database = store_uri(Path.cwd()), local_database(Path.cwd())
    if uri.startswith("http"):
        print(f"MLFLOW_TRACKING_URI is set: open {uri}")
        return
    if database and not database.is_file():
        raise UserError(f"{database} was not found; `snnprune run` or `snnprune track` makes it")
    require_free(port)
    print(f"MLflow: http://{HOST}:{port} (Ctrl-C stops it)", flush=True)
    command = server_command(uri, port)
    os.execve(command[0], command, stage_environment())


def server_command(uri: str, port: int) -> list[str]:
    """The command that serves a store."""
    options = ["--workers", "1", "--host", HOST, "--port", str(port), "--backend-store-uri", uri]
    return [sys.executable, "-m", "mlflow", "ui", *options]
