"""Reads the curve of a stage at work, now and then, and hands on its new points."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from flows.tracking.results import Point, growing_curve

INTERVAL = 10.0  # seconds between two looks; a stage that is over sooner needs no run to follow it


@contextmanager
def following(curve: Path, log: Callable[[list[Point]], object]) -> Iterator[None]:
    """While in here, hand every new point of the curve to `log`, from a thread of its own.

    What an earlier attempt left in the file is old: points are new once the file has changed.
    """
    over = Event()
    before = curve.stat().st_mtime_ns if curve.is_file() else None

    def follow() -> None:
        logged = 0
        while not over.wait(INTERVAL):
            is_new = curve.is_file() and curve.stat().st_mtime_ns != before
            points = growing_curve(curve) if is_new else []
            if len(points) > logged:
                log(points[logged:])
                logged = len(points)

    thread = Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
