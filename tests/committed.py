"""The project's own stages and dvc.lock, read when a test asks for them: both take seconds."""

from functools import cache
from typing import Any

from dvc.repo import Repo
from dvc.stage import PipelineStage

from flows.engine.lockfile import read_lock
from tests.imports import PROJECT


@cache
def stages() -> dict[str, PipelineStage]:
    """Of dvc.yaml, by address."""
    return {stage.addressing: stage for stage in Repo(str(PROJECT)).index.stages}


@cache
def lock() -> dict[str, Any]:
    """The entries of dvc.lock, by address."""
    return dict(read_lock(PROJECT))
