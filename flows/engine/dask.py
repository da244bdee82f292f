"""Runs stages' commands on the workers of a Dask scheduler; all machines see the project's folder under the same path.
A worker only runs commands, by the machinery of `flows.engine.local`: deciding and recording is this side's. Imported
only when Dask is asked for."""

import os
import socket
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

from distributed import Client, KilledWorker, get_worker

from flows.engine.local import LocalExecutor
from flows.engine.stage import Ran, Say, Stage, StageFailed, Stopped
from flows.engine.stop import Stop
from flows.redact import redact
from snnprune.core.errors import UserError

CONNECT_SECONDS = 30
LOOK_SECONDS = 0.5  # between two looks of a worker whether its task is still wanted
SETTLE_SECONDS = 10  # for the processes of a stage to end where it ran
TICKETS = Path(".dvc/tmp/tickets")
LOCAL = LocalExecutor()  # a worker's own: its warm interpreter serves all stages
OVER = ""  # what a worker says when nothing of a stage is left; no line of output is empty


class TicketGone(RuntimeError):
    """This run of a stage was started before, or the worker does not see the project's folder."""


@dataclass
class DaskExecutor:
    """The workers of the scheduler to which the client is connected."""

    client: Client

    @property
    def room(self) -> int:
        """How many stages the workers take at a time."""
        return sum(self.client.nthreads().values())

    def prepare(self, stages: Iterable[Stage]) -> None:
        """Nothing: each worker warms up by itself."""

    def run(self, stage: Stage, say: Say, stop: Stop) -> Ran:
        """See `Executor.run`. Dask starts a task again whose worker died, but then the outputs must be cleared first.
        So there is a ticket, a file, that the first start takes away; a second start fails, and the engine runs the
        stage again."""
        ticket, over = stage.root / TICKETS / uuid4().hex, Event()
        ticket.parent.mkdir(parents=True, exist_ok=True)
        ticket.touch()

        def hear(event: tuple[float, str]) -> None:
            if event[1] == OVER:
                over.set()
            else:
                say(redact(event[1]))  # the worker knows other secrets

        self.client.subscribe_topic(ticket.name, hear)
        future = self.client.submit(run_on_worker, stage, ticket, key=f"{stage.address}-{ticket.name}", pure=False)
        try:
            with stop.calling(future.cancel):
                return future.result()
        except TicketGone as error:
            if ticket.exists():
                raise StageFailed(stage.address, f"{error} does not see {stage.root}") from error
            reason = "its Dask worker died"
        except KilledWorker:
            reason = "its Dask worker died"
        except CancelledError:
            if not ticket.exists():
                over.wait(SETTLE_SECONDS)
            reason = "Dask lost it"
        except OSError as error:
            reason = redact(f"Dask: {error}")
        finally:
            self.client.unsubscribe_topic(ticket.name)
            ticket.unlink(missing_ok=True)
        if stop.asked:
            raise Stopped(stage.address)
        time.sleep(2)  # where a worker was killed its processes end within a moment
        raise StageFailed(stage.address, reason, is_transient=True)


@contextmanager
def dask_executor(address: str) -> Iterator[DaskExecutor]:
    """Connect to the scheduler at `address`. Raises UserError when none answers there, or it has no workers."""
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise UserError(f"no worker has come to the Dask scheduler at {address}") from error
        yield DaskExecutor(client)


def run_on_worker(stage: Stage, ticket: Path) -> Ran:
    """A task: run a stage's commands on this worker, every line to the topic that has the ticket's name. It ends all
    processes when the task is no longer wanted: cancelled, or whoever wanted it is gone. Raises TicketGone: the ticket
    was taken before, or is not seen here. Raises StageFailed: see `Executor.run`."""
    worker, stop, over = get_worker(), Stop(), Event()
    key = worker.get_current_task()
    try:
        ticket.unlink()
    except FileNotFoundError as error:
        raise TicketGone(f"the worker {os.getpid()} on {socket.gethostname()}") from error

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                stop.ask()
                return

    Thread(target=watch, daemon=True).start()
    try:
        ran = LOCAL.run(stage, lambda line: worker.log_event(ticket.name, line), stop)
    finally:
        over.set()
        worker.log_event(ticket.name, OVER)
    return replace(ran, where={"worker_host": socket.gethostname(), "worker_pid": str(os.getpid())})
