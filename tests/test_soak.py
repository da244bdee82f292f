"""Soak: the flow, the warm interpreter and stages are killed at random moments; nothing is lost or left running.

Few rounds here; `SOAK_ROUNDS=20 python -m pytest tests/test_soak.py` runs more. A round's seed is its number.
"""

import os
import random
import shutil
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import RunStatus

from flows.engine.lockfile import read_lock
from tests.tiny import environment, make_repository, result_files, run

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "2"))
KILLS = 3  # in every round
LONGEST_WAIT = 3.0  # seconds from the first sight of a victim to its end
ORPHANS_GONE = 5.0
DEADLINE = 120.0
FLOW = ("python", "-m", "flows.cli", "run", "digits", "--workers", "2")
# A stage is a fork of the warm interpreter, and has its command line.
VICTIMS: dict[str, Callable[[psutil.Process], bool]] = {
    "flow": lambda process: "flows.cli" in process.cmdline(),
    "warm interpreter": lambda process: is_warm(process) and not is_warm(process.parent()),
    "stage": lambda process: is_warm(process) and is_warm(process.parent()),
}
MARK = "SOAK_MARK"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which nothing has run yet."""
    return make_repository(tmp_path_factory.mktemp("soak") / "fresh")


@pytest.fixture(scope="module")
def calm(fresh: Path) -> Path:
    """The same after an undisturbed run."""
    folder = Path(shutil.copytree(fresh, fresh.with_name("calm"), symlinks=True))
    run(folder, *FLOW)
    return folder


@pytest.mark.parametrize("number", range(ROUNDS))
def test_kills_at_random_moments_change_nothing_in_the_end(
    fresh: Path, calm: Path, tmp_path: Path, number: int
) -> None:
    project = Path(shutil.copytree(fresh, tmp_path / "project", symlinks=True))
    chance = random.Random(number)
    for _ in range(KILLS):
        run_and_kill(project, chance.choice(list(VICTIMS)), chance.uniform(0, LONGEST_WAIT))
    run(project, *FLOW)
    assert result_files(project) == result_files(calm)
    assert read_lock(project) == read_lock(calm)
    assert shown(project) == shown(calm)
    assert run(project, "dvc", "status", "report@digits", "--with-deps").strip() == "Data and pipelines are up to date."
    assert not list((project / ".resume").rglob("*.pt"))


def run_and_kill(project: Path, victim: str, delay: float) -> None:
    """Start a flow, kill a process of it `delay` seconds after there is one, and see that nothing stays behind."""
    mark = uuid.uuid4().hex
    with (project.parent / "flow.log").open("ab") as log:
        flow = subprocess.Popen(FLOW, cwd=project, env={**environment(project), MARK: mark}, stdout=log, stderr=log)
    found = wait_for(lambda: victims(mark, victim) or flow.poll() is not None, DEADLINE)
    if found is not True:  # else the flow was over before there was one
        with suppress(subprocess.TimeoutExpired):
            flow.wait(delay)
        with suppress(psutil.NoSuchProcess):
            found[0].kill()
            print(f"{victim} killed after {delay:.1f} s")  # shown by pytest -s
    flow.wait(DEADLINE)
    left = wait_for(lambda: not marked(mark), ORPHANS_GONE)
    assert left, f"{victim} killed, still running: {[words(process) for process in marked(mark)]}"


def wait_for(condition: Callable[[], object], seconds: float) -> object:
    """What `condition` returns as soon as that is true; what it returned last when the time is over."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        threading.Event().wait(0.05)
    return found


def marked(mark: str) -> list[psutil.Process]:
    """The living processes that have the mark in their environment, children of children included."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def victims(mark: str, kind: str) -> list[psutil.Process]:
    found = []
    for process in marked(mark):
        with suppress(psutil.NoSuchProcess, AttributeError):  # it, or its parent, is gone
            if VICTIMS[kind](process):
                found.append(process)
    return found


def is_warm(process: psutil.Process) -> bool:
    return any(word.endswith("warm.py") for word in process.cmdline())


def words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def shown(project: Path) -> Counter:
    """The MLflow runs by stage, result and name, each of which must be there once, finished."""
    client = MlflowClient(f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("digits")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {RunStatus.to_string(RunStatus.FINISHED)}
    keys = Counter((run.data.tags["dvc_stage"], run.data.tags["dvc_hash"], run.info.run_name) for run in runs)
    assert set(keys.values()) == {1}
    return keys
