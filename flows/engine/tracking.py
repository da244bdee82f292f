"""What the engine asks of whoever tracks results; `flows.tracking` logs ours in MLflow."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from flows.engine.lockfile import Entry


class Tracking(Protocol):
    """Logs results somewhere. It may be called from several threads, and never stops the work."""

    def prepare(self) -> None:
        """A stage is about to run, so there will be a result to log. Returns at once."""

    def follow(self, address: str, outs: Sequence[str], tags: Mapping[str, str]) -> AbstractContextManager[None]:
        """While in it, the stage runs and writes its `outs`."""

    def log(self, address: str, entry: Entry, tags: Mapping[str, str]) -> str | None:
        """Log the result of a dvc.lock entry; the run's page or id as far as known; `tags` say how it came about."""

    def summarize(self) -> None:
        """All is done: say so in one line."""


class NoTracking:
    """Logs nothing."""

    def prepare(self) -> None:
        """Nothing to open."""

    def follow(self, address: str, outs: Sequence[str], tags: Mapping[str, str]) -> AbstractContextManager[None]:
        """Nothing to do."""
        return nullcontext()

    def log(self, address: str, entry: Entry, tags: Mapping[str, str]) -> str | None:
        """Nowhere."""
        return None

    def summarize(self) -> None:
        """Nothing to say."""
