"""Logs every result that dvc.lock names to MLflow: `snnprune track`, and the DVC stage `track`."""

import argparse
from pathlib import Path

from flows.engine.lockfile import read_lock
from flows.environment import set_defaults
from flows.tracking.tracking import Tracking
from pipeline.io.entry import run_stage
from pipeline.io.files import write_json
from pipeline.io.matrix_file import read_stages
from snnprune.core.errors import UserError


def track(experiment: str | None = None, receipt: Path | None = None) -> bool:
    """Log the results of the project in the current folder, asking MLflow for each; whether MLflow could be used.

    When it could not, a line says so: the results are there, and the next call logs them.

    Args:
        experiment: only this one; None for all that have results.
        receipt: where to write, as JSON, the hash of every result that MLflow has whole.

    Raises:
        UserError: no result of that experiment, no matrix.yaml, which says what stages there are, or a damaged file.
    """
    set_defaults()
    stages = read_stages()
    owners = {f"{stage}@{name}": item["experiment"] for stage in stages for name, item in stages[stage].items()}
    lock = read_lock(Path.cwd())
    entries = {address: lock[address] for address in owners if address in lock}  # exports after the nets' own runs
    there = sorted({owners[address] for address in entries})
    if experiment not in (None, *there):
        names = ", ".join(there) or "none yet"
        raise UserError(f"dvc.lock has no results of experiment {experiment!r}; experiments with results: {names}")
    tracking = Tracking(Path.cwd(), print, use_ledger=False)
    for address, entry in entries.items():
        if experiment in (None, owners[address]):
            tracking.log(address, entry)
    tracking.summarize()
    if receipt:
        write_json(receipt, dict(sorted(tracking.keys.items())))
    return not tracking.has_failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.tracking.replay", description="Log all results to MLflow.")
    parser.add_argument("experiment", nargs="?", help="only this one (default: all that have results)")
    parser.add_argument("--receipt", type=Path, help="write here, as JSON, which results MLflow has")
    arguments = parser.parse_args()
    run_stage(lambda: track(arguments.experiment, arguments.receipt))
