"""What the paths of a stage's results say about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.io.paths import RESULTS


@dataclass(frozen=True)
class Place:
    """What the path of a result says: `results/<experiment>/<stage>[/<method or study>][/seed<seed>]`."""

    experiment: str
    name: str  # prune/cqp/seed0
    labels: Mapping[str, str]  # stage, and method, seed or study


def place_of(outs: Iterable[str]) -> Place | None:
    """Where a stage's results lie, from the paths that it writes; None for one that writes nothing under results/."""
    for root, experiment, *folders in (Path(out).parent.parts for out in outs if out.count("/") > 2):
        if root != RESULTS.name:
            continue
        match folders:
            case ["train", seed]:
                labels = {"seed": seed.removeprefix("seed")}
            case ["prune", method, seed]:
                labels = {"method": method, "seed": seed.removeprefix("seed")}
            case ["studies", study]:
                folders, labels = ["study", study], {"study": study}
            case _:
                labels = {}
        return Place(experiment, "/".join(folders), {"stage": folders[0], **labels})
    return None
