"""Quiet defaults for DVC, Prefect and MLflow, and the environment that stage processes get.

The three tools read these when they are imported or started, so an entry point calls `set_defaults()` first.
Whatever the user has set stays.
"""

import os
import sys
from pathlib import Path

PROJECT_VARIABLE = "SNN_PROJECT"  # the project's folder, for runs that work in another one

DEFAULTS = {
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "MLFLOW_DISABLE_TELEMETRY": "true",
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
    """The environment of a stage process: `python` in dvc.yaml is this interpreter, and its output is not held back."""
    folder = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PATH": os.pathsep.join([folder, path])}
