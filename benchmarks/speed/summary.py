"""What was measured beside what is wanted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.speed.forms import BEFORE, DENSE, OURS, PRODUCTS, SNNTORCH
from benchmarks.speed.measure import Cell, Ratio, Task

NET, SMALL = "784-256-128-10", "784-256-10"
MEMORY = 0.1  # of the dense net's bytes


@dataclass(frozen=True)
class Target:
    """`form` at least so many times as fast as `against`, at a sparsity or at all of them (None)."""

    task: Task
    against: str
    at_least: float
    sparsity: float | None
    net: str = NET
    batch: int = 256
    form: str = OURS

    def __str__(self) -> str:
        sparsity = "every sparsity" if self.sparsity is None else f"sparsity {self.sparsity:g}"
        return f"{self.task} {self.net} batch {self.batch}, {sparsity}: {self.form} / {self.against}"


TARGETS = [
    Target("train", BEFORE, 2.2, 0.9),
    Target("train", BEFORE, 3, 0.95),
    Target("train", BEFORE, 3.5, 0.98),
    Target("train", BEFORE, 1, None),
    Target("train", SNNTORCH, 3.9, 0),
    Target("train", SNNTORCH, 10, 0.98),
    Target("train", PRODUCTS, 0.8, 0),
    Target("train", PRODUCTS, 0.55, 0, net=SMALL),
    Target("infer", DENSE, 5, 0.98),
    Target("infer", BEFORE, 5, 0.98),
    Target("infer", SNNTORCH, 20, 0.98),
    Target("infer", DENSE, 5, 0.98, batch=1),
]


def summary(cells: Sequence[Cell]) -> Iterator[tuple[str, Ratio | None, float, bool | None]]:
    """Each target in words, what was measured (at the sparsity where it is least), what is wanted, and whether it is
    reached by the median; None: not measured."""
    for target in TARGETS:
        ratios = [
            cell.times.ratio(target.form, target.against)
            for cell in cells
            if (cell.task, cell.net, cell.batch) == (target.task, target.net, target.batch)
            and target.sparsity in (None, cell.sparsity)
            and {target.form, target.against} <= set(cell.times.ms)
        ]
        found = min(ratios, key=lambda ratio: ratio.median, default=None)
        yield str(target), found, target.at_least, None if found is None else found.median >= target.at_least
    shares = [
        cell.compiled_bytes / cell.dense_bytes
        for cell in cells
        if cell.net == NET and cell.sparsity == 0.98 and cell.compiled_bytes is not None
    ]
    share = Ratio(shares[0], shares[0], shares[0]) if shares else None
    yield f"bytes of {NET} compiled / dense, sparsity 0.98: at most", share, MEMORY, share and share.median <= MEMORY
