"""What travels through the engine: a stage of the graph, how it ended, what runs its command and tracks its result."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from flows.engine.cost import Cost
from flows.engine.lockfile import Entry
from flows.engine.stop import Stop
from flows.redact import redact

Outcome = Literal["ran", "cached", "unchanged", "failed", "skipped"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """One stage: its address (`prune@digits-cqp-0`), the addresses it waits for, what it runs and what it writes.

    outs: paths as dvc.yaml has them. commands: shell commands, run one after the other in `folder` of the project in
    `root`. timeout: seconds after which each is killed, from dvc.yaml's `meta: {timeout: ...}`.
    """

    address: str
    upstream: tuple[str, ...] = ()
    outs: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    root: Path = Path()
    folder: Path = Path()
    timeout: float | None = None


@dataclass(frozen=True)
class Ran:
    """Where a stage ran, as tags, and what that cost."""

    where: Mapping[str, str]
    cost: Cost


class Executor(Protocol):
    """Runs the commands of stages; it may be called from several threads."""

    def prepare(self, stages: Iterable[Stage]) -> None:
        """These will be run: what takes time to start may start now. Returns at once."""

    def run(self, stage: Stage, say: Say, stop: Stop) -> Ran:
        """Run a stage's commands to their end, every line of output to `say` without secrets. No process of it is left,
        however it ends. Raises StageFailed: a command failed, was killed, or took longer than the stage's timeout.
        Raises Stopped: a request to stop ended it."""


class NoTracking:
    """Tracks no result; `flows.tracking` does. It may be called from several threads, and never stops the work."""

    def prepare(self) -> None:
        """A stage is about to run, so there will be a result to log. Returns at once."""

    def follow(self, address: str, outs: Sequence[str], tags: Mapping[str, str]) -> AbstractContextManager[None]:
        """While in it, the stage runs and writes its `outs`."""
        return nullcontext()

    def keep_cost(self, key: str, cost: Cost) -> None:
        """A stage ran and made the result `key`, which is logged next."""

    def log(self, address: str, entry: Entry, tags: Mapping[str, str]) -> str | None:
        """Log the result of a dvc.lock entry; the run's page or id as far as known; `tags` say how it came about."""

    def summarize(self) -> None:
        """All is done: say so in one line."""


@dataclass(eq=False)
class StageFailed(RuntimeError):
    """A stage did not finish; the message holds its last lines and the command that runs it again. `reason` completes
    "stage X failed: ..."; `is_transient`: trying again may help."""

    address: str
    reason: str
    tail: tuple[str, ...] = ()
    is_transient: bool = False

    def __str__(self) -> str:
        lines = "".join(f"  | {line}\n" for line in self.tail)
        shown = f"; its last lines:\n{lines}" if lines else "\n"
        return redact(f"stage {self.address} failed: {self.reason}{shown}to run it again: dvc repro {self.address}")


class Stopped(RuntimeError):
    """A stage was ended because the whole flow is."""
