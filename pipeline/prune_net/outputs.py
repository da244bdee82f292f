"""What `snnprune prune` writes: for every level the user's own state dict and its mask, and the results."""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.io import files
from pipeline.io.nets import level_text, percent
from pipeline.io.progress import TerminalProgress
from snnprune.adapters.adapt import Adapted
from snnprune.core.checkpoint import save_network
from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.files import replace
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.evaluate import accuracy
from snnprune.energy.measure import measure
from snnprune.nir.network import StepNetwork
from snnprune.nir.writing import write as write_nir
from snnprune.pruning.iterate import PrunedLevel
from snnprune.pruning.mask import prunable_weights

RESULTS = "results.json"


@dataclass(frozen=True)
class Tested:
    """Test accuracy, a fraction, and operations of a sample, means over the test set (`energy.measure.LayerMeans`)."""

    accuracy: float
    macs: float
    macs_once: float
    acs: float

    @classmethod
    def of(cls, network: Any, test: Split) -> "Tested":
        """One run over the test set."""
        measured = measure(network, test)
        return cls(measured.accuracy, measured.macs, measured.macs_once, measured.acs)


class Levels(TerminalProgress):
    """Shows the progress of a pruning run and writes each level as soon as it is done."""

    def __init__(
        self, out: Path, adapted: Adapted, test: Split, method: str, seed: int, begin: Callable[[], None]
    ) -> None:
        """`adapted.network` is the dense net; a copy of it is kept to test on. `begin` is called before a level is
        written."""
        super().__init__(method, seed)
        self._out, self._adapted, self._test, self._begin = out, adapted, test, begin
        self._network = copy.deepcopy(adapted.network)
        self._state: dict[str, Tensor] = copy.deepcopy(self._network.state_dict())
        self._pruned = adapted.network
        self.rows: list[dict[str, Any]] = []

    def level_done(self, level: PrunedLevel) -> None:
        """Test the level before and after its fine-tuning, and write it."""
        super().level_done(level)
        self._network.load_state_dict(self._state)
        level.mask.apply(prunable_weights(self._network))
        before = accuracy(self._network, self._test)
        self._state = copy.deepcopy(self._pruned.state_dict())
        self._network.load_state_dict(self._state)
        tested = Tested.of(self._network, self._test)
        counts = {"level": level.level, "sparsity": level.mask.sparsity, "nnz": level.mask.nnz}
        self.rows.append(counts | {"accuracy_before": before} | asdict(tested))
        name = level_text(level.level)
        self._begin()
        save(self._out / f"level-{name}.pt", self._adapted.state_dict(self._network))
        save(self._out / f"mask-{name}.pt", dict(self._adapted.mask(level.mask)))
        if isinstance(net := getattr(self._network, "net", None), StepNetwork):
            write_nir(net, self._out / f"level-{name}.nir")
        if isinstance(self._network, SpikingNetwork):
            save_network(self._out / f"level-{name}.safetensors", self._network, level.mask)


def save(path: Path, tensors: dict[str, Tensor]) -> None:
    """As torch.save; read it with torch.load(path, weights_only=True)."""
    replace(path, lambda partial: torch.save(tensors, partial))


def write_results(out: Path, dense: Tested, rows: Sequence[dict[str, Any]], about: dict[str, Any]) -> None:
    """`results.json`: of the dense net and of every level what was found, and how."""
    files.write_json(out / RESULTS, {"dense": asdict(dense), "levels": list(rows), **about})


def read_written(path: Path) -> dict[str, Any]:
    """What a JSON file of this command holds. Raises UserError: it is damaged."""
    try:
        found = files.read_json(path)
    except ValueError as error:
        raise UserError(f"{path}: is damaged, no JSON: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("options", {}), dict):
        raise UserError(f"{path}: is damaged; expected what snnprune prune writes, found {json.dumps(found)[:40]}")
    return found


def table(dense: Tested, synapses: int, rows: Sequence[dict[str, Any]]) -> str:
    """The results for people: one line a net."""
    head = ("net", "sparsity", "synapses", "masked", "test accuracy", "operations")
    lines = [("dense", "0 %", f"{synapses:,}", "", _accuracy(dense.accuracy), _operations(asdict(dense)))]
    lines += [
        (
            level_text(row["level"]),
            percent(row["sparsity"]),
            f"{row['nnz']:,}",
            _accuracy(row["accuracy_before"]),
            f"{_accuracy(row['accuracy'])} ({100 * (row['accuracy'] - dense.accuracy):+.2f})",
            _operations(row),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in (head, *lines))


def _accuracy(share: float) -> str:
    return f"{100 * share:.2f} %"


def _operations(row: dict[str, Any]) -> str:
    return f"{row['macs_once'] + row['acs']:,.0f}"
