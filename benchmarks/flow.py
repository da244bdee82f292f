"""The flow against serial `dvc repro`, each in a clone of the committed project: `python -m benchmarks.flow`.

Everything of the experiment is to be run. dvc.lock keeps the entries of the other experiments, as it does when you work
in the project, or starts empty.
"""

import argparse
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ruamel.yaml import YAML

from flows.environment import DEFAULTS, stage_environment
from pipeline import matrix

# mnist as it stands takes hours: the same stages with less training.
SHORT = {"train": {"epochs": 4}, "prune": {"levels": [0.9, 0.98]}, "finetune": {"epochs": 2}}
SHORT_MATRIX = {"methods": ["cqp", "magnitude"], "seeds": [0, 1]}
SHORT_BLOCKS = ("data", "model", "train", "prune", "methods", "layers")
LOCKS = ["full", "empty"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print, by experiment and dvc.lock, the seconds of both, their ratio, and those of a second run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flow", description="The flow against serial dvc repro.")
    parser.add_argument("--experiments", nargs="+", default=["digits", "mnist"], help="mnist is shortened")
    parser.add_argument(
        "--locks", nargs="+", choices=LOCKS, default=LOCKS, help="what dvc.lock holds of other experiments at first"
    )
    parser.add_argument("--workers", type=int, default=2, help="stages at a time")
    options = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="benchmark-") as folder:
        for experiment in options.experiments:
            for lock in options.locks:
                _compare(Path(folder) / f"{experiment}-{lock}", experiment, lock, options.workers)


def _compare(folder: Path, experiment: str, lock: str, workers: int) -> None:
    serial, flow = (_shortened(clone(folder / name, experiment, lock), experiment) for name in ("serial", "flow"))
    repro = ["dvc", "repro", "-q", f"track@{experiment}"]
    engine = ["python", "-m", "flows.cli", "run", experiment, "--workers", str(workers)]
    first = seconds_of(serial, repro), seconds_of(flow, engine)
    second = seconds_of(serial, repro), seconds_of(flow, engine)
    times = f"dvc repro {first[0]:.0f} s, flow with {workers} workers {first[1]:.0f} s"
    ratio = f"{first[0] / first[1]:.2f} times as fast"
    second_times = f"a second run: {second[0]:.1f} s, {second[1]:.1f} s"
    print(f"{experiment}, {lock} dvc.lock: {times}, {ratio}; {second_times}", flush=True)


def clone(folder: Path, experiment: str, lock: str) -> Path:
    """The committed project in a new folder; its dvc.lock holds nothing of the experiment, and of others all (`full`)
    or nothing (`empty`)."""
    run_in(Path.cwd(), ["git", "clone", "--quiet", "--no-hardlinks", ".", str(folder)])
    yaml = YAML()
    entries = yaml.load(folder / "dvc.lock")
    for address, entry in list(entries["stages"].items()):
        if lock == "empty" or experiment in entry["cmd"].split():
            del entries["stages"][address]
    yaml.dump(entries, folder / "dvc.lock")
    return folder


def _shortened(folder: Path, experiment: str) -> Path:
    yaml = YAML()
    tree = yaml.load(folder / "params.yaml")
    if experiment != "digits":
        blocks = tree["experiments"][experiment]
        blocks["train"].update(SHORT["train"])
        blocks["prune"].update(SHORT["prune"])
        blocks["prune"]["finetune"].update(SHORT["finetune"])
        tree["experiments"][experiment] = {name: blocks[name] for name in SHORT_BLOCKS}
        tree["matrix"][experiment].update(SHORT_MATRIX)
    yaml.dump(tree, folder / "params.yaml")
    matrix.update(folder / "params.yaml", folder / "matrix.yaml")
    return folder


def seconds_of(folder: Path, command: list[str]) -> float:
    """How long a command takes in a folder."""
    start = time.monotonic()
    run_in(folder, command)
    return time.monotonic() - start


def run_in(folder: Path, command: list[str]) -> str:
    """Run a command in a folder with this project's interpreter; its output. A failing one ends the program."""
    environment = {**DEFAULTS, **stage_environment()}
    if "-c" in command:  # in a folder without our code
        environment["PYTHONPATH"] = str(Path.cwd())
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
