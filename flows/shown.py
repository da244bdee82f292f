"""What the engine asks of whoever shows results; `flows.tracking` shows ours in MLflow."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from flows.lockfile import Entry


class Shown(Protocol):
    """Shows results somewhere. It may be called from several threads, and never stops the work."""

    def open_early(self) -> None:
        """A stage is about to run, so there will be a result to show. Returns at once."""

    def following(self, address: str, outs: Sequence[str], tags: Mapping[str, str]) -> AbstractContextManager[None]:
        """While in it, the stage runs and writes its `outs`."""

    def track(self, address: str, entry: Entry, tags: Mapping[str, str]) -> str | None:
        """Show the result of a dvc.lock entry, and say where as far as known; `tags` say how it came about."""

    def say_summary(self) -> None:
        """All is done."""


class Nowhere:
    """Shows nothing."""

    def open_early(self) -> None:
        """Nothing to open."""

    def following(self, address: str, outs: Sequence[str], tags: Mapping[str, str]) -> AbstractContextManager[None]:
        """Nothing to do."""
        return nullcontext()

    def track(self, address: str, entry: Entry, tags: Mapping[str, str]) -> str | None:
        """Nowhere."""
        return None

    def say_summary(self) -> None:
        """Nothing to say."""
