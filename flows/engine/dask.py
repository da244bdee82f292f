"""Runs stages on Dask workers, each in its own clone; this side hands out inputs and takes in results.

Imported only when Dask is asked for: it belongs to the extra packages of requirements-scale.lock.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from threading import Thread
from uuid import uuid4

from distributed import Event, get_client
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.settings import get_current_settings
from prefect_dask import DaskTaskRunner

from flows.attempts import run_here
from flows.exchange import Exchange, ExchangeError
from flows.graph import Stage
from flows.process import Outcome, Say
from flows.remote_stage import Delivery, Order, clean_commit, deliver
from flows.stop import Stop

CONNECT_SECONDS = 30
LOOK_SECONDS = 1.0  # between two looks of a worker whether it is to stop


@task(name="stage on a worker", cache_policy=NO_CACHE)
def run_in_own_clone(order: Order, stop_event: str) -> Delivery:
    """One stage on a worker: its clone is the folder in which the worker was started. Raises what `deliver` raises.

    Setting Dask's event of that name ends it.
    """
    stop = Stop()
    with _stopped_by(Event(stop_event, get_client()), stop):
        return deliver(Path.cwd(), order, get_run_logger().info, stop)


@contextmanager
def _stopped_by(event: Event, stop: Stop) -> Iterator[None]:
    over = threading.Event()

    def watch() -> None:
        with suppress(OSError):  # the scheduler is gone, and with it whoever could ask
            while not over.is_set():
                if event.wait(timeout=LOOK_SECONDS):
                    stop.ask()
                    return

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class DaskWorkers:
    """The workers of one Dask scheduler, for the stages of one flow."""

    def __init__(self, runner: DaskTaskRunner, root: Path) -> None:
        """Raises ExchangeError when the clone in `root` has no DVC remote or differs from its commit."""
        self._runner = runner
        self._exchange = Exchange(root)
        self._commit = clean_commit(root, self._exchange.outs())
        self._stop_event = f"stop-{uuid4()}"
        # A task run inside a stage's own task would be sent that task's arguments, which cannot be sent.
        self._flow_context = copy_context()

    @property
    def count(self) -> int:
        """How many stages the workers take at a time."""
        return sum(self._runner.client.nthreads().values())

    def run(self, stage: Stage, root: Path, say: Say, stop: Stop) -> tuple[Outcome, Mapping[str, str]]:
        """Run a stage on a worker, or here when its result cannot be handed from clone to clone."""
        if not self._exchange.is_portable(stage.address):
            return run_here(stage, root, say, stop)
        inputs = {other: self._exchange.publish(other) for other in stage.upstream}
        with stop.calling(Event(self._stop_event, self._runner.client).set):
            delivery = self._submit(Order(stage, self._commit, inputs))
        self._exchange.receive(stage.address, delivery.entry)
        say(f"{delivery.outcome} by worker {delivery.pid} on {delivery.host} in {delivery.clone}")
        return delivery.outcome, delivery.tags

    def _submit(self, order: Order) -> Delivery:
        remote = run_in_own_clone.with_options(task_run_name=f"{order.stage.address} on a worker")
        given = {"order": order, "stop_event": self._stop_event}
        return self._flow_context.copy().run(self._runner.submit, remote, given).result()


@contextmanager
def dask_workers(address: str, root: Path) -> Iterator[DaskWorkers]:
    """Connect to the scheduler at `address`, within a flow.

    Raises:
        ExchangeError: no scheduler answers, no worker comes to it, or Prefect has no server that the workers could
            reach; or see `DaskWorkers`.
    """
    if not get_current_settings().api.url:
        raise ExchangeError("Dask workers need a Prefect server that they can reach; set PREFECT_API_URL")
    runner = DaskTaskRunner(address=address, client_kwargs={"timeout": CONNECT_SECONDS})
    workers = DaskWorkers(runner, root)
    with runner:
        try:
            client = runner.client  # connects
        except OSError as error:
            raise ExchangeError(f"no Dask scheduler answers at {address}: {error}") from error
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise ExchangeError(f"no worker has come to the Dask scheduler at {address}") from error
        yield workers
