"""Serves MLflow's pages for the project's store: `snnprune ui`."""

import os
import socket
import sys
from pathlib import Path

from flows.environment import set_defaults, stage_environment
from flows.tracking.location import local_database, store_uri

HOST = "127.0.0.1"


def open_ui(port: int) -> int:
    """Become MLflow's server for the project in the current folder, until Ctrl-C; returns only when it cannot: 1.

    A tracking server that MLFLOW_TRACKING_URI names has pages of its own: its address is printed, and 0 returned.
    """
    set_defaults()
    uri, database = store_uri(Path.cwd()), local_database(Path.cwd())
    if uri.startswith("http"):
        print(f"MLFLOW_TRACKING_URI is set: open {uri}")
        return 0
    if database and not database.is_file():
        print(f"error: {database} was not found; `snnprune run` or `snnprune track` makes it", file=sys.stderr)
        return 1
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as error:
            print(f"error: port {port} cannot be used ({error.strerror}); choose another: --port", file=sys.stderr)
            return 1
    print(f"MLflow: http://{HOST}:{port} (Ctrl-C stops it)", flush=True)
    command = server_command(uri, port)
    return os.execve(command[0], command, server_environment())


def server_command(uri: str, port: int) -> list[str]:
    """The command that serves a store."""
    return [
        *(sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--host", HOST, "--port", str(port)),
        *("--backend-store-uri", uri),
    ]


def server_environment() -> dict[str, str]:
    """The environment for it: what runs jobs is off, which halves the time to start."""
    return {**stage_environment(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
