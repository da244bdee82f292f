"""Where each result lives: `results/<experiment>/<stage>/...`, relative to the project's root folder."""

from pathlib import Path

RESULTS = Path("results")


def data_folder(experiment: str) -> Path:
    """`dataset.safetensors` and `dataset.json`."""
    return RESULTS / experiment / "data"


def train_folder(experiment: str, seed: int) -> Path:
    """The dense net: `model.safetensors`, `optimizer.safetensors`, `curve.csv`, `metrics.json`."""
    return RESULTS / experiment / "train" / f"seed{seed}"


def prune_folder(experiment: str, method: str, seed: int) -> Path:
    """`levels.csv`, `curve.csv`, `metrics.json` and `models/level-<level>.safetensors`."""
    return RESULTS / experiment / "prune" / method / f"seed{seed}"


def net_file(experiment: str, method: str, seed: int, level: float) -> Path:
    """The pruned network of one level."""
    return prune_folder(experiment, method, seed) / "models" / f"level-{level}.safetensors"


def compare_folder(experiment: str) -> Path:
    """`comparison.csv`, `summary.json`, `metrics/<method>.json` and the figures."""
    return RESULTS / experiment / "compare"


def studies_folder(experiment: str, study: str) -> Path:
    """`table.csv`: the rows that one study measured."""
    return RESULTS / experiment / "studies" / study


def report_folder(experiment: str) -> Path:
    """`index.html`."""
    return RESULTS / experiment / "report"
