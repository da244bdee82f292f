"""A flow without Prefect, tracking or an experiment's params: here, and as a program of its own."""

import sys
from collections.abc import Callable, Mapping
from contextlib import chdir
from pathlib import Path

from flows.engine.dvc import Project
from flows.engine.engine import Done, run_target
from flows.engine.local import LocalExecutor
from flows.engine.stage import Executor, NoTracking

PROGRAM = """
import sys
from flows.engine.stop import Interrupted, interruptible
from tests.flows.engine.flow import bring_up
from pathlib import Path
try:
    with interruptible():
        bring_up(Path.cwd(), sys.argv[1], lambda line: print(line, flush=True), workers=2)
except Interrupted as interrupted:
    sys.exit(128 + interrupted.signal)
"""


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


def command(target: str) -> list[str]:
    """The command that brings the target up to date in the working folder; PYTHONPATH must lead to this project."""
    return [sys.executable, "-c", PROGRAM, target]
