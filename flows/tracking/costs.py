"""Keeps what each stage cost beside MLflow's store, by the hash of its dvc.lock entry, so that its run shows it
whenever it is logged. It is in no result file and never committed."""

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.engine.cost import Cost
from pipeline.io.files import read_json, write_json

FOLDER = "costs"


@dataclass(frozen=True)
class KeptCost(Cost):
    """A cost, and `threads`, those that the stage was given (`runtime.threads`)."""

    threads: int

    @property
    def metrics(self) -> dict[str, float]:
        """What its run in MLflow shows; a peak that is not known is left out."""
        peak = {} if self.peak_bytes is None else {"cost/peak_memory_mib": self.peak_bytes / (1 << 20)}
        return {"cost/wall_seconds": self.wall_seconds, "cost/cpu_seconds": self.cpu_seconds, **peak}

    @property
    def tags(self) -> dict[str, str]:
        """On which machine, with how many threads: without them the metrics say little."""
        return {"cost_host": self.host, "cost_threads": str(self.threads)}


def keep(store: Path, key: str, cost: Cost, threads: int) -> None:
    """Keep what the result `key` cost in the folder of the store, unless it is kept: a stage that was run again and
    wrote the same bytes shows, as in MLflow, its first run. Raises OSError."""
    if not _path(store, key).exists():
        write_json(_path(store, key), asdict(KeptCost(**asdict(cost), threads=threads)))


def find(store: Path, key: str) -> KeptCost | None:
    """What the result cost; None where nobody kept it, or the file is damaged."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        found: Mapping = read_json(_path(store, key))
        return KeptCost(**found)
    return None


def _path(store: Path, key: str) -> Path:
    return store / FOLDER / f"{key}.json"
