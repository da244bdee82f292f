"""What a worker does for one stage: fetch its inputs into its own clone, run it there, publish what came out."""

import os
import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.exchange import Exchange, ExchangeError
from flows.graph import Stage
from flows.lockfile import LOCK_FILE, Entry
from flows.process import Outcome, Say, reproduce
from flows.stop import Stop
from flows.workspace import workspace


@dataclass(frozen=True)
class Order:
    """A stage to run, the commit to run it at, and the results that it needs: dvc.lock entries by address."""

    stage: Stage
    commit: str
    inputs: Mapping[str, Entry]


@dataclass(frozen=True)
class Delivery:
    """What came of an order: the stage's dvc.lock entry, how it came about, and where."""

    entry: Entry
    outcome: Outcome
    host: str
    pid: int
    clone: str

    @property
    def tags(self) -> dict[str, str]:
        """Where it was run, as tags for its MLflow run."""
        return {"worker_host": self.host, "worker_pid": str(self.pid), "worker_clone": self.clone}


def deliver(clone: Path, order: Order, say: Say, stop: Stop) -> Delivery:
    """Carry out an order in a clone; every line of the stage goes to `say`, and a request to `stop` ends it.

    A result that any clone has published before is taken from the run cache instead (outcome `cached`).

    Raises:
        ExchangeError: the clone is at another commit or changed, or the DVC remote lacks an input.
        WorkspaceBusy: another stage or flow works in the clone.
        StageFailed: the stage exited with an error, was killed, or took longer than its hint.
        Stopped: a request to stop ended it.
    """
    exchange = Exchange(clone)
    found = clean_commit(clone, exchange.outs())
    if found != order.commit:
        raise ExchangeError(
            f"{clone} on {socket.gethostname()} is at commit {found[:12]}, the flow at {order.commit[:12]}; "
            "check out the flow's commit there and start the worker again"
        )
    stage = order.stage
    with workspace(clone):
        for address, entry in order.inputs.items():
            exchange.receive(address, entry)
        outcome = reproduce(stage.address, clone, say, stop, stage.hints.timeout, ["--pull"])
        entry = exchange.publish(stage.address)
    if outcome == "unchanged":  # left by an earlier order
        outcome = "cached"
    return Delivery(entry, outcome, socket.gethostname(), os.getpid(), str(clone))


def clean_commit(root: Path, results: Iterable[str]) -> str:
    """The commit that is checked out in `root`, whose stages write the paths `results`.

    Raises:
        ExchangeError: there is none, or files other than results and dvc.lock differ from it or are not in it.
    """
    commit = _git(root, "rev-parse", "HEAD")
    left_out = [f":(exclude){path}" for path in (LOCK_FILE, *results)]
    changes = _git(root, "status", "--porcelain", "--untracked-files=all", "--", ".", *left_out)
    if changes:
        raise ExchangeError(
            f"{root} on {socket.gethostname()} differs from its commit, and clones have only commits in common; "
            f"commit or undo:\n{changes}"
        )
    return commit


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExchangeError(f"git in {root}: {done.stderr.strip()}")
    return done.stdout.rstrip()
