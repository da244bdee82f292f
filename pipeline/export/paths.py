"""Where the stage `export` writes: `results/<experiment>/export/...`."""

from pathlib import Path

from pipeline.io.paths import RESULTS


def export_folder(experiment: str) -> Path:
    """`nets/<net>/<target>/...` and `table.csv`."""
    return RESULTS / experiment / "export"


def exported_nets(experiment: str) -> Path:
    """Of each exported net (`net_name`, with its seed) a folder for each target."""
    return export_folder(experiment) / "nets"


def export_table(experiment: str) -> Path:
    """A row for each exported net and target."""
    return export_folder(experiment) / "table.csv"
