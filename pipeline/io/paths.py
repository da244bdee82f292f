"""Where each result lives: `results/<experiment>/<stage>/...`, relative to the project's root folder."""

from pathlib import Path

from pipeline.io.nets import level_text

RESULTS = Path("results")


def data_folder(experiment: str) -> Path:
    """`dataset.safetensors` and `dataset.json`."""
    return RESULTS / experiment / "data"


def train_folder(experiment: str, seed: int) -> Path:
    """The dense net: `model.safetensors`, `optimizer.safetensors`, `curve.csv`, `metrics.json`."""
    return RESULTS / experiment / "train" / f"seed{seed}"


def dense_file(experiment: str, seed: int) -> Path:
    """The dense net of one seed."""
    return train_folder(experiment, seed) / "model.safetensors"


def prune_folder(experiment: str, method: str, seed: int) -> Path:
    """`levels.csv`, `curve.csv`, `nets/level-<level>.safetensors` and `nets/one_shot.safetensors`."""
    return RESULTS / experiment / "prune" / method / f"seed{seed}"


def net_file(experiment: str, method: str, seed: int, level: float) -> Path:
    """The pruned net of one level."""
    return prune_folder(experiment, method, seed) / "nets" / f"level-{level_text(level)}.safetensors"


def one_shot_file(experiment: str, method: str, seed: int) -> Path:
    """The masks of pruning in one step, by `level_text`."""
    return prune_folder(experiment, method, seed) / "nets" / "one_shot.safetensors"


def evaluate_table(experiment: str) -> Path:
    """What every net, dense or pruned, does on the test split: one row each."""
    return RESULTS / experiment / "evaluate" / "levels.csv"


def compare_folder(experiment: str) -> Path:
    """`comparison.csv`, `summary.json`, `metrics/<method>.json` and the figures."""
    return RESULTS / experiment / "compare"


def table_file(experiment: str, study: str) -> Path:
    """The rows that one study measured."""
    return RESULTS / experiment / "studies" / study / "table.csv"


def report_folder(experiment: str) -> Path:
    """`index.html`, `claims.json`, and of each study its figure, summary and metrics."""
    return RESULTS / experiment / "report"


def report_page(experiment: str) -> Path:
    """All that there is to say, for a browser."""
    return report_folder(experiment) / "index.html"
