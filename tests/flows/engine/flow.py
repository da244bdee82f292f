"""A flow without Prefect, tracking or an experiment's params: here, and as a program of its own."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path

from flows.engine.dvc import Project
from flows.engine.engine import Done, run_target
from flows.engine.local import LocalExecutor
from flows.engine.lockfile import Entry
from flows.engine.stage import Executor, NoTracking
from flows.environment import stage_environment
from tests.imports import PROJECT

PROGRAM = """
import sys
from contextlib import nullcontext
from pathlib import Path
from flows.engine.stop import Interrupted, interruptible
from flows.run import executor_for
from tests.flows.engine.flow import bring_up
target, *dask = sys.argv[1:]
try:
    with interruptible(), executor_for(*dask) if dask else nullcontext((None, 2)) as (executor, workers):
        bring_up(Path.cwd(), target, lambda line: print(line, flush=True), workers=workers, executor=executor)
except Interrupted as interrupted:
    sys.exit(128 + interrupted.signal)
"""


class Log(NoTracking):
    """Keeps what the engine asks of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.logged: dict[str, tuple[Entry, Mapping[str, str]]] = {}

    def prepare(self) -> None:
        self.calls.append("prepare")

    @contextmanager
    def follow(self, address: str, outs: Sequence[str], tags: Mapping[str, str]) -> Iterator[None]:
        self.calls.append(f"follow {address}")
        yield

    def log(self, address: str, entry: Entry, tags: Mapping[str, str]) -> str:
        self.logged[address] = entry, tags
        return f"run of {address}"

    def summarize(self) -> None:
        self.calls.append("summarize")


def bring_up(
    root: Path,
    target: str,
    say: Callable[[str], None] = lambda line: None,
    *,
    workers: int = 1,
    executor: Executor | None = None,
    tracking: NoTracking | None = None,
    before_work: Callable[[], None] = lambda: None,
) -> dict[str, Done]:
    """Bring the target of the project in `root` up to date; lines of a stage begin with its address."""
    with chdir(root):
        return run_target(
            Project(root),
            target,
            say=say,
            carry_out=lambda work, stage: work.bring_up(stage, lambda line: say(f"[{stage.address}] {line}"), {}),
            workers=workers,
            executor=executor or LocalExecutor([]),
            tracking=tracking,
            before_work=before_work,
        )


def outcomes(done: Mapping[str, Done]) -> dict[str, str]:
    """Address -> outcome."""
    return {address: finished.outcome for address, finished in done.items()}


def start_flow(root: Path, *target_and_scheduler: str) -> subprocess.Popen[str]:
    """A program that brings the target of the project in `root` up to date, by Dask where a scheduler is given."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *target_and_scheduler],
        cwd=root,
        env={**stage_environment(), "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
