"""The command: `python -m benchmarks.speed --help`."""

import argparse
import itertools
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numba
import torch

from benchmarks.speed.agreement import agreements
from benchmarks.speed.case import LIT, make_case
from benchmarks.speed.crossing import DENSITIES, crossing, speed_ups
from benchmarks.speed.figure import draw
from benchmarks.speed.measure import Cell, Effort, measure
from benchmarks.speed.peers import missing_peers
from benchmarks.speed.summary import NET, SMALL, summary
from pipeline.io.params import Runtime
from pipeline.io.runtime import configure
from snnprune.pruning.finetune import DENSE_FROM

NETS = [SMALL, NET, "784-800-10"]
SPARSITIES = [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99]
TASKS = ("train", "infer")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the options say and print it: whether forms agree, a table per task, net and batch, where sparse and
    dense layers are equal, and the targets."""
    options = _options(arguments)
    configure(Runtime(threads=options.threads, device="cpu"))
    effort = Effort(options.repeats, options.seconds)
    clock = "CPU time" if options.threads == 1 else "wall time"
    machine = f"torch {torch.__version__}, numba {numba.__version__}, {platform.processor() or platform.machine()}"
    print(f"T = 10, direct encoding, {LIT:.0%} of pixels lit, {options.threads} thread(s), {clock}; {machine}")
    for name in missing_peers():
        print(f"{name}: skipped, not installed (requirements-peers.lock)")
    agreement = {net: _agreement(net, options.batches[0]) for net in options.nets}
    cells = [cell for net in options.nets for cell in _measure(net, options, effort)]
    equal = {} if options.no_crossing else _crossings(options, effort)
    found = [
        {"target": words, "wanted": wanted, "found": ratio and asdict(ratio), "reached": reached}
        for words, ratio, wanted, reached in summary(cells)
    ]
    print("\ntargets (median, least and most over the repetitions)")
    for words, ratio, wanted, reached in summary(cells):
        verdict = {None: "not measured", True: "reached", False: "MISSED"}[reached]
        print(f"  {words}: {ratio or '-'}, wanted {wanted:g}: {verdict}")
    if options.json:
        content: dict[str, Any] = {"machine": machine, "threads": options.threads, "clock": clock}
        content |= {"agreement": agreement, "cells": [asdict(cell) for cell in cells], "equal_density": equal}
        options.json.write_text(json.dumps({**content, "targets": found}, indent=1) + "\n")
    if options.figure:
        net = NET if NET in options.nets else options.nets[0]
        draw(cells, net, 256 if 256 in options.batches else options.batches[-1], options.figure)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description="Speed by sparsity.")
    parser.add_argument("--nets", nargs="+", default=NETS, help="such as 784-256-10")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 128, 256, 512])
    parser.add_argument("--sparsities", type=float, nargs="+", default=SPARSITIES)
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--repeats", type=int, default=9, help="measurements of each form, taking turns")
    parser.add_argument("--seconds", type=float, default=0.05, help="of each measurement; one step at least")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-crossing", action="store_true", help="leave out where sparse and dense layers are equal")
    parser.add_argument("--quick", action="store_true", help="what the targets need, and little more")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="time per sample against sparsity, .svg or .png")
    options = parser.parse_args(arguments)
    if options.quick:
        options.nets, options.batches, options.sparsities = [SMALL, NET], [1, 256], [0, 0.9, 0.95, 0.98]
        options.repeats = 5
    return options


def _agreement(net: str, batch: int) -> dict[str, Any]:
    """Printed, and by sparsity and form."""
    found = {}
    for sparsity in (0, 0.9):
        found[sparsity] = {form: asdict(one) for form, one in agreements(make_case(_sizes(net), sparsity, 64)).items()}
        for form, one in found[sparsity].items():
            print(
                f"{net}, sparsity {sparsity:g}, {form} against the snnTorch loop: {one['counts_differing']:.2%} of "
                f"spike counts differ, relative gradient error {one['gradient_error']:.1e}"
            )
    return found


def _measure(net: str, options: argparse.Namespace, effort: Effort) -> list[Cell]:
    cases = {sparsity: make_case(_sizes(net), sparsity, max(options.batches)) for sparsity in options.sparsities}
    found = []
    for task in options.tasks:
        for batch in options.batches:
            print(f"\n{task} {net}, batch {batch}: ms by form")
            for sparsity, case in cases.items():
                cell = measure(task, net, sparsity, case.of(batch), effort)
                if not found or (found[-1].task, found[-1].batch) != (task, batch):
                    print(f"{'sparsity':>8} " + " ".join(f"{form:>12}" for form in cell.times.ms) + "  spike rates")
                rates = " ".join(f"{rate:.0%}" for rate in cell.rates)
                print(
                    f"{sparsity:>8g} "
                    + " ".join(f"{median(ms):>12.3f}" for ms in cell.times.ms.values())
                    + f"  {rates}; density by layer "
                    + " ".join(f"{density:.3f}" for density in cell.densities),
                    flush=True,
                )
                found.append(cell)
    return found


def _crossings(options: argparse.Namespace, effort: Effort) -> dict[str, Any]:
    """Printed, and by net, layer and batch."""
    print("\ntraining step, one layer sparse / dense by its density, and where they are equal")
    print(f"{'net':>16} {'layer':>8} {'batch':>6} " + " ".join(f"{density:>6g}" for density in DENSITIES) + "   equal")
    found: dict[str, Any] = {}
    for net in options.nets:
        sizes, batches = _sizes(net), [batch for batch in options.batches if batch > 1]
        for layer, batch in itertools.product(range(len(sizes) - 1), batches):
            name = f"{sizes[layer]}-{sizes[layer + 1]}"
            ratios = speed_ups(sizes, layer, batch, effort, DENSITIES)
            equal = crossing(ratios)
            medians = " ".join(f"{ratio.median:>6.2f}" for ratio in ratios.values())
            print(f"{net:>16} {name:>8} {batch:>6} {medians}   {'-' if equal is None else f'{equal:.2f}'}", flush=True)
            by_density = {density: asdict(ratio) for density, ratio in ratios.items()}
            found.setdefault(net, {}).setdefault(name, {})[batch] = {"ratios": by_density, "equal": equal}
    print(f"fine-tuning trains a layer sparse below {DENSE_FROM:g} (DENSE_FROM, snnprune/pruning/finetune.py)")
    return found


def _sizes(net: str) -> list[int]:
    return [int(size) for size in net.split("-")]


if __name__ == "__main__":
    main()
