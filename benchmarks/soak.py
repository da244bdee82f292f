"""Scheduled runs in a row, some of them killed: `python -m benchmarks.soak --runs 50 --every 20`.

Each is what a schedule does, in a clone of the committed project with a small `digits`: the worktree is brought to the
newest commit, which has another learning rate, so that every net is trained anew, and the experiment is run there and
logged to MLflow. Of each four runs the second is killed by SIGKILL, the third has the same commit and goes on from
there, and the fourth loses a stage to SIGKILL. With `--prefect` each is a Prefect flow, which takes longer.

Printed: runs that were done, resumed and lost; processes left behind; seconds a run; and of the first and the last run
the size of dvc.lock and mlruns and the most memory of all processes together.
"""

import argparse
import random
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil
from ruamel.yaml import YAML

from benchmarks.flow import clone, run_in
from flows.environment import DEFAULTS, stage_environment
from flows.retention.leftover import size_of
from pipeline import matrix

EXPERIMENT = "digits"
KILLS = ("", "flow", "", "stage")  # what of each run, in turns; the last run of all is left alone
NAME = "soak"  # of the deployment
KEPT_BLOCKS = ("data", "model", "train", "prune", "methods", "layers")
METHODS = ["cqp", "magnitude"]
GIT = ["git", "-c", "user.name=soak", "-c", "user.email=soak@example.org"]
WARM = "flows/engine/warm.py"  # of the worktree
LEAVE_SECONDS = 10.0  # in which what a run started must be gone


@dataclass(frozen=True)
class Ended:
    """One run: what was killed, whether it finished, the stages it found done, and what it left and took."""

    killed: str  # "", "stage" or "flow"
    done: bool
    unchanged: int
    seconds: float
    orphans: int
    lock_bytes: int
    mlruns_bytes: int
    memory_mb: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per run, then the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two starts, at least")
    parser.add_argument("--seed", type=int, default=0, help="of the moments at which something is killed")
    parser.add_argument("--prefect", action="store_true", help="each as a Prefect flow")
    options = parser.parse_args(arguments)
    moments = random.Random(options.seed)
    runs: list[Ended] = []
    with TemporaryDirectory(prefix="soak-") as folder:
        project = _project(Path(folder) / "project")
        for number in range(options.runs):
            due = time.monotonic() + options.every
            if not runs or runs[-1].killed != "flow":
                _commit(project, number)
            usual = min([run.seconds for run in runs if run.done] or [30.0])
            kill = KILLS[number % len(KILLS)] if number + 1 < options.runs else ""
            runs.append(_run(project, kill, moments.uniform(0.2, 0.8) * usual, prefect=options.prefect))
            print(f"run {number + 1}: {runs[-1]}", flush=True)
            if number + 1 < options.runs:
                time.sleep(max(0.0, due - time.monotonic()))
    print(summary(runs))


def summary(runs: Sequence[Ended]) -> str:
    """The figures of all runs, in lines."""
    after_kill = [later for earlier, later in pairwise(runs) if earlier.killed == "flow"]
    plain = [run.seconds for run in runs if run.done and not run.killed]
    first, last = runs[0], runs[-1]
    lost = sum(not run.done and run.killed != "flow" for run in runs)
    return "\n".join(
        [
            f"runs: {sum(run.done for run in runs)} done, {sum(run.killed == 'flow' for run in runs)} killed, "
            f"{sum(run.killed == 'stage' for run in runs)} with a killed stage, {lost} lost",
            f"resumed: {sum(run.done for run in after_kill)} of {len(after_kill)}, "
            f"with {sum(run.unchanged for run in after_kill)} stages already done",
            f"orphans: {sum(run.orphans for run in runs)}",
            f"seconds a run: {median(plain):.1f}" if plain else "seconds a run: none was left alone",
            f"dvc.lock: {first.lock_bytes} to {last.lock_bytes} bytes",
            f"mlruns: {first.mlruns_bytes / 1e6:.1f} to {last.mlruns_bytes / 1e6:.1f} MB",
            f"memory: {first.memory_mb:.0f} to {last.memory_mb:.0f} MB",
        ]
    )


def _project(folder: Path) -> Path:
    """A clone with `digits` alone, small, and without results; committed by `_commit`."""
    clone(folder, EXPERIMENT, "empty")
    yaml = YAML()
    tree = yaml.load(folder / "params.yaml")
    blocks = tree["experiments"][EXPERIMENT]
    tree["experiments"] = {EXPERIMENT: {name: blocks[name] for name in KEPT_BLOCKS}}
    blocks["train"].update(epochs=3)
    blocks["prune"].update(levels=[0.5, 0.9])
    blocks["prune"]["finetune"].update(epochs=2)
    blocks["layers"].update(levels=[0.5, 0.9])
    tree["matrix"] = {EXPERIMENT: {"methods": METHODS, "seeds": [0]}}
    yaml.dump(tree, folder / "params.yaml")
    matrix.update(folder / "params.yaml", folder / "matrix.yaml")
    run_in(folder, ["git", "rm", "-r", "--quiet", "results"])
    return folder


def _commit(project: Path, number: int) -> None:
    """Commit another learning rate."""
    yaml = YAML()
    tree = yaml.load(project / "params.yaml")
    tree["experiments"][EXPERIMENT]["train"]["lr"] = round(0.002 + number * 1e-6, 6)
    yaml.dump(tree, project / "params.yaml")
    run_in(project, ["git", "add", "--all"])
    run_in(project, [*GIT, "commit", "--quiet", "--message", f"run {number}"])


def _run(project: Path, kill: str, moment: float, *, prefect: bool) -> Ended:
    """One scheduled run, of which a stage or the flow itself is killed after so many seconds (a stage: the first one
    that is at work from then on)."""
    start = time.monotonic()
    worktree = Path(run_in(project, [sys.executable, "-m", "flows.scheduled.worktree", NAME]).strip())
    command = [sys.executable, "-m", "flows.cli", "run", EXPERIMENT, *(["--prefect"] if prefect else [])]
    log = project.parent / "run.log"
    killed, memory = False, 0.0
    with log.open("wb") as stream:
        environment = {**DEFAULTS, **stage_environment()}
        flow = psutil.Popen(command, cwd=worktree, env=environment, stdout=stream, stderr=subprocess.STDOUT)
        while flow.poll() is None:
            below = _below(flow)
            memory = max(memory, _memory([flow, *below]))
            if kill and not killed and time.monotonic() - start > moment:
                victims = [flow] if kill == "flow" else [process for process in below if _is_stage(process)]
                for victim in victims[:1]:
                    with suppress(psutil.NoSuchProcess):
                        victim.kill()
                        killed = True
            time.sleep(0.25)
    seconds = time.monotonic() - start
    said = log.read_text(encoding="utf-8", errors="replace")
    if flow.returncode and not (killed and kill == "flow"):
        print(said[-2000:], file=sys.stderr)
    summary_line = next((line for line in reversed(said.splitlines()) if re.match(r"\d+ stages: ", line)), "")
    return Ended(
        killed=kill if killed else "",
        done=flow.returncode == 0,
        unchanged=sum(map(int, re.findall(r"(\d+) (?:unchanged|cached)", summary_line))),
        seconds=round(seconds, 1),
        orphans=_left(project),
        lock_bytes=size_of(worktree / "dvc.lock"),
        mlruns_bytes=size_of(project / "mlruns"),
        memory_mb=round(memory, 1),
    )


def _below(flow: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return flow.children(recursive=True)
    return []


def _is_stage(process: psutil.Process) -> bool:
    """Whether it is a fork of the warm interpreter, which carries out a stage."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        above = process.parent()
        return above is not None and all(WARM in " ".join(one.cmdline()) for one in (process, above))
    return False


def _memory(processes: Sequence[psutil.Process]) -> float:
    """MB, what they share counted once."""
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += process.memory_full_info().pss
    return total / 1e6


def _left(project: Path) -> int:
    """How many processes work in the project although its run is over, after the time they have to end."""
    end = time.monotonic() + LEAVE_SECONDS
    while (left := sum(_works_in(process, project) for process in psutil.process_iter())) and time.monotonic() < end:
        time.sleep(0.2)
    return left


def _works_in(process: psutil.Process, project: Path) -> bool:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(project)
    return False


if __name__ == "__main__":
    main()
