"""What the engine asks of whoever tracks results; `flows.tracking` logs ours in MLflow."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from flows.engine.lockfile import Entry


class NoTracking:
    """Logs nothing. One that does may be called from several threads, and never stops the work."""

    def prepare(self) -> None:
        """A stage is about to run, so there will be a result to log. Returns at once."""

    def follow(self, address: str, outs: Sequence[str], tags: Mapping[str, str]) -> AbstractContextManager[None]:
        """While in it, the stage runs and writes its `outs`."""
        return nullcontext()

    def log(self, address: str, entry: Entry, tags: Mapping[str, str]) -> str | None:
        """Log the result of a dvc.lock entry; the run's page or id as far as known; `tags` say how it came about."""

    def summarize(self) -> None:
        """All is done: say so in one line."""
