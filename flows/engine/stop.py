"""Ends everything that a flow has started: at once, from any thread, and by the signals that end a process."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class Stop:
    """A request to stop, made once; whoever runs something says how it is ended."""

    def __init__(self) -> None:
        """`asked`: start nothing more, and take what ends now for ended by force."""
        self.asked = False
        self._ends: list[Callable[[], None]] = []

    def ask(self) -> None:
        """End all that runs."""
        self.asked = True
        for end in [*self._ends]:
            end()

    @contextmanager
    def calling(self, end: Callable[[], None]) -> Iterator[None]:
        """While in here, a request to stop calls `end`; at once if it has been made."""
        self._ends.append(end)
        try:
            if self.asked:  # looked at after `end` was added, so that no request falls in between
                end()
            yield
        finally:
            self._ends.remove(end)


@dataclass(eq=False)
class Interrupted(BaseException):
    """The user, or whoever supervises this process, wants it to end."""

    signal: int


@contextmanager
def interruptible() -> Iterator[None]:
    """While in here, Ctrl-C and SIGTERM raise Interrupted in the main thread."""

    def interrupt(number: int, _: object) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
