"""How the flow grows with the number of stages, beside `dvc repro`: `python -m benchmarks.growth`.

Toy stages that write a line, in layers of ten, each needing the ten before it. Per size: the flow's own work a stage
(its wall time on one worker less that of the same commands in a loop), its time with nothing to do, its peak memory.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from dvc.utils.serialize import dump_yaml

from benchmarks.flow import run_in, seconds_of

WIDTH = 10
CODE = 8  # files of code on which each stage depends
RUNNER = """
import resource, sys, time
from pathlib import Path
from flows.engine.dvc import Project
from flows.engine.engine import run_target
carry_out = lambda work, stage: work.bring_up(stage, print, {})
run_target(Project(Path.cwd()), "last", say=lambda line: None, carry_out=carry_out)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 150, 500, 1000])
    parser.add_argument(
        "--dvc-up-to", type=int, default=150, help="the largest size for `dvc repro`, which is quadratic"
    )
    options = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="growth-") as folder:
        for size in options.sizes:
            _measure(Path(folder), size, beside_dvc=size <= options.dvc_up_to)


def _measure(folder: Path, size: int, *, beside_dvc: bool) -> None:
    flow = make_project(folder / f"flow-{size}", size)
    start = time.monotonic()
    for number in range(size):
        subprocess.run(["/bin/sh", "-c", f"echo {number} > plain.txt"], cwd=folder, check=True)
    commands = time.monotonic() - start
    first, memory = _flow(flow)
    second, _ = _flow(flow)
    line = (
        f"{size} stages: flow {first:.1f} s, own work {(first - commands) / size:.3f} s a stage, "
        f"nothing to do {second:.1f} s, {memory} MB"
    )
    if beside_dvc:
        serial = make_project(folder / f"serial-{size}", size)
        times = [seconds_of(serial, ["dvc", "repro", "-q", "last"]) for _ in range(2)]
        line += f"; dvc repro {times[0]:.1f} s, nothing to do {times[1]:.1f} s"
    print(line, flush=True)


def make_project(root: Path, size: int) -> Path:
    """A project of `size` stages; `last` needs all others."""
    root.mkdir()
    code = [f"code/{number}.py" for number in range(CODE)]
    (root / "code").mkdir()
    for path in code:
        (root / path).write_text(path)
    stages = {}
    for number in range(size - 1):
        layer = number // WIDTH
        above = [f"{other}.txt" for other in range((layer - 1) * WIDTH, layer * WIDTH)] if layer else []
        out = f"{number}.txt"
        stages[f"s{number}"] = {"cmd": f"echo {number} > {out}", "deps": [*code, *above], "outs": [out]}
    ends = [f"{number}.txt" for number in range(max(0, size - 1 - WIDTH), size - 1)]
    stages["last"] = {"cmd": "echo > last.txt", "deps": ends, "outs": ["last.txt"]}
    dump_yaml(root / "dvc.yaml", {"stages": stages})
    run_in(root, ["dvc", "init", "-q", "--no-scm"])
    return root


def _flow(root: Path) -> tuple[float, int]:
    """Seconds of the flow as a whole process, and its peak memory in MB."""
    start = time.monotonic()
    output = run_in(root, [sys.executable, "-c", RUNNER])
    return time.monotonic() - start, int(output.split()[-1])


if __name__ == "__main__":
    main()
