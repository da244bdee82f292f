"""Quiet defaults for DVC, Prefect and MLflow, the environment that stage processes get, and ports for servers. The
three tools read these when they are imported or started, so an entry point calls `set_defaults()` first. Whatever the
user has set stays."""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from snnprune.core.errors import UserError

HOST = "127.0.0.1"  # of the servers of `snnprune ui` and `snnprune deploy`
LOCAL = build_opener(ProxyHandler({}))  # a proxy that the environment names knows nothing of this machine
STARTUP_SECONDS = 120
DEFAULTS = {
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # which halves the time that its server takes to start
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A tracking server that is down must cost seconds: MLflow's own defaults wait for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def set_defaults() -> None:
    """Set each default that the environment does not have yet."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def stage_environment() -> dict[str, str]:
    """The environment of a stage process: `python` in dvc.yaml is this interpreter, and its output is not held back. It
    is UTF-8, whatever this process writes: that is how it is read."""
    folder = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    own = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "PATH": os.pathsep.join([folder, path])}
    return {**os.environ, **own}


def require_free(port: int) -> None:
    """Check that a server can use this port of HOST. Raises UserError."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        raise UserError(
            f"port {port} of {HOST} cannot be used ({error.strerror}); choose another: --port N (make: PORT=N)"
        ) from error


def answers(url: str, server: subprocess.Popen, within: float = STARTUP_SECONDS) -> bool:
    """Whether the server that was started answers there; False once it has ended, or after so many seconds."""
    end = time.monotonic() + within
    while server.poll() is None and time.monotonic() < end:
        with suppress(OSError), LOCAL.open(url, timeout=2):
            return True
        time.sleep(0.2)
    return False
