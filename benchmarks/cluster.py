"""What a cluster gains: stages that sleep, on 1, 2, 4 and 8 Dask workers: `python -m benchmarks.cluster`.

Sleeping stages stand for busy ones on machines of their own: what is measured is the cost of handing out and recording.
"""

import argparse
import time
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from distributed import LocalCluster
from dvc.utils.serialize import dump_yaml

from benchmarks.flow import run_in
from flows.engine.dvc import Project
from flows.engine.engine import run_target
from flows.run import executor_for


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per number of workers: seconds, the speed-up against one stage at a time, and of the ideal one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--stages", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5, help="how long each stage sleeps")
    options = parser.parse_args(arguments)
    ideal_of_one = options.stages * options.seconds
    with TemporaryDirectory(prefix="cluster-") as folder:
        for workers in options.workers:
            root = _make_project(Path(folder) / str(workers), options.stages, options.seconds)
            seconds = _run(root, workers)
            speed_up = ideal_of_one / seconds
            print(
                f"{workers} workers: {seconds:.1f} s for {ideal_of_one:.0f} s of stages, {speed_up:.2f} times as fast, "
                f"{100 * speed_up / workers:.0f} % of ideal",
                flush=True,
            )


def _make_project(root: Path, stages: int, seconds: float) -> Path:
    root.mkdir()
    numbers = range(stages)
    tree = {f"s{n}": {"cmd": f"sleep {seconds:g} && echo {n} > {n}.txt", "outs": [f"{n}.txt"]} for n in numbers}
    tree["all"] = {"cmd": "cat *.txt > all", "deps": [f"{n}.txt" for n in numbers], "outs": ["all"]}
    dump_yaml(root / "dvc.yaml", {"stages": tree})
    run_in(root, ["dvc", "init", "-q", "--no-scm"])
    return root


def _run(root: Path, workers: int) -> float:
    """Seconds of the flow, without those in which the workers start."""
    with (
        chdir(root),
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        executor_for(cluster.scheduler_address) as (executor, room),
    ):
        start = time.monotonic()
        run_target(
            Project(root),
            "all",
            say=lambda line: None,
            carry_out=lambda work, stage: work.bring_up(stage, lambda line: None, {}),
            executor=executor,
            workers=room,
        )
        return time.monotonic() - start


if __name__ == "__main__":
    main()
