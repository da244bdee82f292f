"""Processes that tests start: a free port for them, waiting for what they do, and which of them are still alive."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import psutil

Found = TypeVar("Found")


def free_port() -> int:
    """One of 127.0.0.1 that nothing listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def within(seconds: float, condition: Callable[[], Found], every: float = 0.05) -> Found:
    """What `condition` returns as soon as that is true; what it returned last when the time is over."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(every)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead but that nobody has waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def marked(variable: str, mark: str) -> dict[psutil.Process, list[str]]:
    """The living processes with that mark in their environment, children of children included, and their words."""
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get(variable) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found[process] = process.cmdline()
    return found
