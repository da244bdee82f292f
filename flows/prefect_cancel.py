"""Ends a flow when its run is cancelled in Prefect, also where no worker does so: a run started by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError

from flows.stop import Stop

INTERVAL = 2.0  # seconds between two looks at the run's state


@contextmanager
def stopped_when_cancelled(run: UUID, stop: Stop) -> Iterator[None]:
    """While in here, ask to stop as soon as the server has the flow run as cancelled."""
    over = Event()

    def watch() -> None:
        with get_client(sync_client=True) as client:
            while not over.wait(INTERVAL):
                try:
                    state = client.read_flow_run(run).state
                except (httpx.HTTPError, PrefectHTTPStatusError):  # the server is away for a moment
                    continue
                if state is not None and (state.is_cancelling() or state.is_cancelled()):
                    stop.ask()
                    return

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
