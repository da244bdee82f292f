"""Ends everything that a flow has started, at once and from any thread."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class Stop:
    """A request to stop, made once; whoever runs something says how it is ended."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self._lock = Lock()
        self._asked = False
        self._ends: list[Callable[[], None]] = []

    @property
    def asked(self) -> bool:
        """Whether to stop: start nothing more, and take what ends now for ended by force."""
        return self._asked

    def ask(self) -> None:
        """End all that runs."""
        with self._lock:
            self._asked = True
            ends = list(self._ends)
        for end in ends:
            end()

    @contextmanager
    def calling(self, end: Callable[[], None]) -> Iterator[None]:
        """While in here, a request to stop calls `end`; at once if it has been made."""
        with self._lock:
            self._ends.append(end)
        try:
            if self._asked:
                end()
            yield
        finally:
            with self._lock:
                self._ends.remove(end)
