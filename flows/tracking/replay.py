"""Logs every result that dvc.lock names to MLflow: `snnprune track`, and the DVC stage `track`."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML

from flows.engine.lockfile import Entry, read_lock
from flows.environment import set_defaults
from flows.tracking.tracking import Tracking
from pipeline.io.files import write_json
from pipeline.matrix_file import COMMAND, MATRIX_FILE


def track(experiment: str | None = None, receipt: Path | None = None) -> int:
    """Log the results of the project in the current folder, asking MLflow for each; the exit code.

    It is 0 also when MLflow cannot be used: the results are there, and the next call logs them.

    Args:
        experiment: only this one; None for all that have results.
        receipt: where to write, as JSON, the hash of every result that MLflow has whole.
    """
    set_defaults()
    root = Path.cwd()
    try:
        entries = _entries(read_lock(root), experiment, root)
    except LookupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    tracking = Tracking(root, print, use_ledger=False)
    for address, entry in entries.items():
        tracking.log(address, entry)
    tracking.summarize()
    if receipt:
        write_json(receipt, dict(sorted(tracking.keys.items())))
    return 0


def _entries(entries: Mapping[str, Entry], experiment: str | None, root: Path) -> dict[str, Entry]:
    """The entries of one experiment or of all, of stages that matrix.yaml still has.

    Raises:
        LookupError: no result of that experiment (the message lists those with results), or no matrix.yaml.
    """
    if not (root / MATRIX_FILE).is_file():
        raise LookupError(f"{MATRIX_FILE}, which lists the stages, was not found; `{COMMAND}` writes it")
    stages = YAML(typ="safe").load(root / MATRIX_FILE)["stages"]
    owners = {f"{stage}@{name}": item["experiment"] for stage in stages for name, item in stages[stage].items()}
    found = {address: entry for address, entry in entries.items() if address in owners}
    experiments = sorted({owners[address] for address in found})
    if experiment not in (None, *experiments):
        there = ", ".join(experiments) or "none yet"
        raise LookupError(f"dvc.lock has no results of experiment {experiment!r}; experiments with results: {there}")
    return {address: entry for address, entry in found.items() if experiment in (None, owners[address])}


def main(arguments: list[str] | None = None) -> int:
    """The command line of the DVC stage."""
    parser = argparse.ArgumentParser(prog="python -m flows.tracking.replay", description="Log all results to MLflow.")
    parser.add_argument("--experiment", help="only this one (default: all that have results)")
    parser.add_argument("--receipt", type=Path, help="write here, as JSON, which results MLflow has")
    return track(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
