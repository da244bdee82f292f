"""A whole experiment from nothing, in a clone of the committed project: `python -m benchmarks.experiments digits`."""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.flow import LOCKS, clone, run_in
from flows.run import default_workers

RUNNER = """
import json, sys
from flows.environment import set_defaults
from flows.run import open_project, run_experiment
set_defaults()
experiment, workers, file = sys.argv[1:]
carry_out = lambda work, stage: work.bring_up(stage, lambda line: None, {})
silent = lambda line: None
done = run_experiment(experiment, int(workers), None, say=silent, carry_out=carry_out)
project, target = open_project(experiment, silent)
upstream = {stage.address: stage.upstream for stage in project.needed_for(target)}
stages = [[name, upstream[name], one.outcome, one.seconds] for name, one in done.items()]
open(file, "w").write(json.dumps(stages))
"""


@dataclass(frozen=True)
class Stage:
    """One stage: those it waits for, how it ended, in how many seconds."""

    address: str
    upstream: list[str]
    outcome: str
    seconds: float


@dataclass(frozen=True)
class Run:
    """An experiment's run: wall seconds, and the most memory of all its processes together (looked at each second)."""

    experiment: str
    workers: int
    seconds: float
    peak_mb: int
    stages: list[Stage]

    @property
    def by_kind(self) -> dict[str, float]:
        """Seconds of all stages of a kind, the most first; a study is a kind of its own."""
        found: dict[str, float] = defaultdict(float)
        for stage in self.stages:
            found[kind_of(stage.address)] += stage.seconds
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    @property
    def critical_path(self) -> list[Stage]:
        """The chain of stages, each waiting for the one before, that takes longest: no number of workers is faster."""
        ways: dict[str, list[Stage]] = {}
        for stage in self.stages:  # each after those it waits for
            longest = max((ways[other] for other in stage.upstream), key=_seconds, default=[])
            ways[stage.address] = [*longest, stage]
        return max(ways.values(), key=_seconds, default=[])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print wall time, seconds by kind of stage, the critical path and the peak memory of every experiment."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiments", description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="+", help="such as digits, mnist")
    parser.add_argument("--workers", type=int, default=None, help="stages at a time (default: cores / threads)")
    parser.add_argument("--lock", choices=LOCKS, default="full", help="what dvc.lock holds of other experiments")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    found = []
    with TemporaryDirectory(prefix="experiment-") as folder:
        for experiment in options.experiments:
            root = clone(Path(folder) / experiment, experiment, options.lock)
            run = run_from_nothing(root, experiment, options.workers or default_workers())
            print("\n".join(lines(run)), flush=True)
            found.append(as_json(run))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def run_from_nothing(root: Path, experiment: str, workers: int) -> Run:
    """Run an experiment in a clone as `snnprune run` does."""
    file = root.parent / f"{experiment}.json"
    with ThreadPoolExecutor(1) as pool:
        start, peak = time.monotonic(), 0
        running = pool.submit(run_in, root, [sys.executable, "-c", RUNNER, experiment, str(workers), str(file)])
        while not wait([running], timeout=1).done:
            peak = max(peak, memory_of_children())
        running.result()
        seconds = time.monotonic() - start
    return Run(experiment, workers, seconds, peak >> 20, [Stage(*stage) for stage in json.loads(file.read_text())])


def memory_of_children() -> int:
    """Bytes of all processes below this one; what several share counts once where the system tells (Linux)."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
    return total


def kind_of(address: str) -> str:
    """`prune` of prune@digits-cqp-0, `study energy` of study@digits-energy."""
    kind, _, name = address.partition("@")
    return f"{kind} {name.rpartition('-')[2]}" if kind == "study" else kind


def lines(run: Run) -> list[str]:
    """The run in words."""
    total, path = _seconds(run.stages), run.critical_path
    head = f"{run.experiment}, {run.workers} workers: {run.seconds:.1f} s, {len(run.stages)} stages of {total:.1f} s"
    longest = f"critical path {_seconds(path):.1f} s, {_seconds(path) / run.seconds:.0%} of the wall time: "
    kinds = (f"  {kind}: {seconds:.1f} s, {seconds / total:.0%}" for kind, seconds in run.by_kind.items())
    steps = " -> ".join(stage.address for stage in path)
    return [f"{head}; {run.peak_mb} MB at most", *kinds, f"  {longest}{steps}"]


def as_json(run: Run) -> Mapping[str, Any]:
    """The run with what follows from it."""
    path = [stage.address for stage in run.critical_path]
    more = {"by_kind": run.by_kind, "critical_path": path, "critical_path_seconds": _seconds(run.critical_path)}
    return {**asdict(run), **more}


def _seconds(stages: Sequence[Stage]) -> float:
    return sum(stage.seconds for stage in stages)


if __name__ == "__main__":
    main()
