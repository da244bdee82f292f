"""Forms timed in turns, so that a load that comes and goes changes the spread more than the median."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Literal

import torch

from benchmarks.speed.case import Case
from benchmarks.speed.forms import Step, inference_forms, training_forms
from snnprune.sparse.runtime import compile

Task = Literal["train", "infer"]


@dataclass(frozen=True)
class Effort:
    """How often each form is measured, and over how many seconds each time (one step at least)."""

    repeats: int
    seconds: float


@dataclass(frozen=True)
class Ratio:
    """Over all repetitions."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"


@dataclass(frozen=True)
class Times:
    """Milliseconds of a step of each form, an entry per repetition."""

    ms: dict[str, list[float]]

    def ratio(self, form: str, against: str) -> Ratio:
        """How many times as fast `form` is as `against`; each ratio is one of neighbours in time."""
        ratios = [other / own for own, other in zip(self.ms[form], self.ms[against], strict=True)]
        return Ratio(median(ratios), min(ratios), max(ratios))


@dataclass(frozen=True)
class Cell:
    """What was found for a task, a net (784-256-10), a batch and a sparsity; of inference also the bytes of the dense
    net's parameters, and of all that the compiled one holds."""

    task: Task
    net: str
    batch: int
    sparsity: float
    densities: list[float]
    rates: list[float]
    times: Times
    dense_bytes: int | None = None
    compiled_bytes: int | None = None


def measure(task: Task, net: str, sparsity: float, case: Case, effort: Effort) -> Cell:
    """Time all forms of one case."""
    with ExitStack() as stack:
        forms = training_forms(case, stack) if task == "train" else inference_forms(case)
        times = take_turns(forms, effort)
    dense = compiled = None
    if task == "infer":
        dense = sum(weight.numel() * weight.element_size() for weight in case.network.parameters())
        compiled = compile(case.network).nbytes
    return Cell(task, net, len(case.batch.labels), sparsity, case.densities, case.rates, times, dense, compiled)


def take_turns(forms: Mapping[str, Step], effort: Effort) -> Times:
    """Time the forms one after the other, again and again."""
    counts = {name: _steps_within(step, effort.seconds) for name, step in forms.items()}
    ms: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(effort.repeats):
        for name, step in forms.items():
            ms[name].append(1e3 * _seconds_of(step, counts[name]) / counts[name])
    return Times(ms)


def clock() -> Callable[[], float]:
    """This process's time on the CPU, which others' loads change less; wall time where several threads share it."""
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def _steps_within(step: Step, seconds: float) -> int:
    """How many steps take about so long; the first ones warm up."""
    step()
    once = min(_seconds_of(step, 1) for _ in range(2))
    return max(1, round(seconds / max(once, 1e-6)))


def _seconds_of(step: Step, count: int) -> float:
    now = clock()
    start = now()
    for _ in range(count):
        step()
    return now() - start
