"""What a stage costs to run: time, processor time and memory, and where a flow's time went. Never part of a result: the
same result costs something else on every machine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

TOP = 5  # kinds of stages in the table
COLUMNS = ("stages", "count", "wall", "CPU", "peak memory", "share")
MIB = 1 << 20


@dataclass(frozen=True)
class Usage:
    """What the operating system says of a process that has ended, and of the children it waited for: seconds of
    processor time (user and system), and the largest resident set of one of them in bytes, None where it is not known.
    Of a fork it counts the libraries that it shares with its parent."""

    cpu_seconds: float = 0.0
    peak_bytes: int | None = None

    def __add__(self, other: "Usage") -> "Usage":
        """Of both, one after the other."""
        peaks = [peak for peak in (self.peak_bytes, other.peak_bytes) if peak is not None]
        return Usage(self.cpu_seconds + other.cpu_seconds, max(peaks, default=None))


@dataclass(frozen=True)
class Cost:
    """Of one run of a stage's commands on `host`: seconds from start to end, and `Usage`. Waiting for a worker, hashing
    by DVC and earlier attempts that failed are no part of it."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int | None
    host: str


@dataclass(frozen=True)
class Spent:
    """What all stages of one kind (`prune`) took together, and their share of the wall seconds of all kinds."""

    kind: str
    count: int
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int | None
    share: float


def spent_by_kind(costs: Mapping[str, Cost]) -> list[Spent]:
    """Of the stages (by address) that ran, the kinds that took longest, at most TOP of them. Stages run side by side,
    so the seconds may add up to more than the flow took."""
    total = sum(cost.wall_seconds for cost in costs.values())

    def kind(address: str) -> str:
        return address.partition("@")[0]

    found = []
    for name, addresses in groupby(sorted(costs, key=kind), kind):
        of_kind = [costs[address] for address in addresses]
        wall = sum(cost.wall_seconds for cost in of_kind)
        peaks = [cost.peak_bytes for cost in of_kind if cost.peak_bytes is not None]
        cpu = sum(cost.cpu_seconds for cost in of_kind)
        found.append(Spent(name, len(of_kind), wall, cpu, max(peaks, default=None), wall / total if total else 0.0))
    return sorted(found, key=lambda spent: -spent.wall_seconds)[:TOP]


def rows(spent: Iterable[Spent]) -> list[dict[str, str]]:
    """A row of text for each kind, with units."""
    return [
        dict(
            zip(
                COLUMNS,
                (
                    one.kind,
                    str(one.count),
                    _seconds(one.wall_seconds),
                    _seconds(one.cpu_seconds),
                    "unknown" if one.peak_bytes is None else f"{one.peak_bytes / MIB:.0f} MiB",
                    f"{one.share:.0%}",
                ),
                strict=True,
            )
        )
        for one in spent
    ]


def table(spent: Iterable[Spent]) -> str:
    """The rows for a terminal, under a line that says what they are; empty where nothing ran."""
    lines = [COLUMNS, *(tuple(row.values()) for row in rows(spent))]
    if len(lines) == 1:
        return ""
    widths = [max(len(line[place]) for line in lines) for place in range(len(COLUMNS))]
    aligned = ("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines)
    return "\n".join(["where the time went (seconds of stages, which run side by side):", *aligned])


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 100 else f"{value:.0f} s"
