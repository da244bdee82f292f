"""Shows in MLflow how a running stage's curve grows; the run that does so gives way to the one of the result."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from flows.results import Point, growing_curve

INTERVAL = 10.0  # seconds between two looks at the curve; a stage that is over sooner needs no run of its own for it

Show = Callable[[list[Point]], None]


@contextmanager
def following(curve: Path, show: Show) -> Iterator[None]:
    """While in here, hand every new point of the curve to `show`, now and then, from a thread of its own.

    What an earlier attempt left in the file is old: points are new once the file has changed.
    """
    over = Event()
    before = curve.stat().st_mtime_ns if curve.is_file() else None

    def follow() -> None:
        shown = 0
        while not over.wait(INTERVAL):
            if not curve.is_file() or curve.stat().st_mtime_ns == before:
                continue
            points = growing_curve(curve)
            if len(points) > shown:
                show(points[shown:])
                shown = len(points)

    thread = Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
