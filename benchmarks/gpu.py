"""Training and inference on a CUDA GPU beside the CPU: `python -m benchmarks.gpu --help`. The GPU takes torch's way
(dense layers, masked, neurons as torch operations); the CPU the compiled loops, on one thread."""

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

import torch

from benchmarks.speed.case import Case, make_case
from benchmarks.speed.forms import Step, inferring, trainer
from benchmarks.speed.measure import Times
from benchmarks.speed.summary import NET
from pipeline.io.entry import run_stage
from pipeline.io.params import Runtime
from pipeline.io.runtime import configure
from snnprune.core.errors import UserError
from snnprune.pruning.finetune import kept_alone
from snnprune.sparse.runtime import compile

GPU, CPU = "gpu", "cpu"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per task, sparsity and batch. Raises UserError: torch finds no GPU."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="The GPU beside the CPU.")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 256, 4096])
    parser.add_argument("--sparsities", type=float, nargs="+", default=[0, 0.9, 0.98])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2, help="of each measurement; one step at least")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        raise UserError("torch finds no CUDA device here")
    device = configure(Runtime(threads=1, device="cuda"))
    about = f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    print(f"{NET}, T = 10, direct; {about}; ms a step, wall time, median of {options.repeats} turns")
    print(f"{'task':>6} {'sparsity':>8} {'batch':>6} {GPU:>9} {CPU:>9}  cpu / gpu; spike counts differing")
    rows = []
    for sparsity in options.sparsities:
        for batch in options.batches:
            case = make_case([int(size) for size in NET.split("-")], sparsity, batch)
            there = replace(case, network=case.copy().to(device), batch=case.batch.to(device))
            differing = share_differing(case, there)
            with ExitStack() as stack:
                tasks = {"train": training(case, there, stack), "infer": inference(case, there)}
                measured = {task: take_turns(forms, options.repeats, options.seconds) for task, forms in tasks.items()}
            for task, times in measured.items():
                ratio = times.ratio(GPU, CPU)
                medians = {form: median(ms) for form, ms in times.ms.items()}
                print(
                    f"{task:>6} {sparsity:>8g} {batch:>6} {medians[GPU]:>9.3f} {medians[CPU]:>9.3f}  {ratio}; "
                    f"{differing:.3%}",
                    flush=True,
                )
                row = {"task": task, "sparsity": sparsity, "batch": batch, "ms": times.ms, "ratio": asdict(ratio)}
                rows.append({**row, "counts_differing": differing})
    if options.json:
        options.json.write_text(json.dumps({"device": about, "rows": rows}, indent=1) + "\n")


@torch.no_grad()
def share_differing(case: Case, there: Case) -> float:
    """Of the batch's spike counts."""
    found, expected = there.network.eval()(there.batch.images).cpu(), case.network.eval()(case.batch.images)
    return (found != expected).float().mean().item()


def training(case: Case, there: Case, stack: ExitStack) -> dict[str, Step]:
    """A training step under the mask on either device."""
    masked, network = there.copy().train(), case.copy().train()
    rest = stack.enter_context(kept_alone(network, case.mask))
    return {
        GPU: trainer(masked, masked, there, case.mask, as_fit_does=True),
        CPU: trainer(network, network, case, rest, as_fit_does=True),
    }


def inference(case: Case, there: Case) -> dict[str, Step]:
    """Spike counts of the batch on either device."""
    return {
        GPU: inferring(there.copy().eval(), there.batch.images),
        CPU: inferring(compile(case.network), case.batch.images),
    }


def take_turns(forms: dict[str, Step], repeats: int, seconds: float) -> Times:
    """Time the forms one after the other, again and again."""
    counts = {}
    for name, step in forms.items():
        _seconds_of(step, 3)  # warms up
        counts[name] = max(1, round(seconds / _seconds_of(step, 1)))
    ms: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(repeats):
        for name, step in forms.items():
            ms[name].append(1e3 * _seconds_of(step, counts[name]) / counts[name])
    return Times(ms)


def _seconds_of(step: Step, count: int) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(count):
        step()
    torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    run_stage(main)
