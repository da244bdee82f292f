"""How far a flow is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Stages in all and done (skipped ones included), the addresses of those running, and the seconds so far."""

    total: int
    done: int
    running: tuple[str, ...]
    seconds: float

    @property
    def percent(self) -> float:
        """Of the stages, those done."""
        return 100 * self.done / self.total

    def __str__(self) -> str:
        left = self.total - self.done - len(self.running)
        return f"{len(self.running)} running, {left} left, {_clock(self.seconds)} so far"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
