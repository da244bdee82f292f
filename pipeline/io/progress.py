"""Progress of training on the terminal: a live bar where there is one, and one line per epoch everywhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from torch import Tensor
from tqdm import tqdm

from pipeline.io.nets import net_name, percent
from snnprune.core.training.fit import Progress

if TYPE_CHECKING:  # the stage `train` depends on nothing that prunes
    from snnprune.pruning.iterate import PrunedLevel


class TerminalProgress(Progress):
    """Prints loss, validation accuracy and speed while an epoch passes, and in one line when it is done."""

    def __init__(self, method: str, seed: int, level: float = 0.0, note: str = "") -> None:
        """The net's name and `note` open every line."""
        self._method, self._seed, self._note = method, seed, note
        self._title = f"{net_name(method, level, seed)}{note}"
        self._bar: tqdm = tqdm(disable=True)
        self._started = 0.0
        self._samples = 0
        self._validation = ""
        self._speed = ""

    def batches(self, batches: Sequence[Tensor], epoch: int, epochs: int) -> Iterator[Tensor]:
        """Pass `batches` on behind a bar."""
        self._samples, self._started = 0, time.perf_counter()
        self._bar = tqdm(
            batches,
            desc=f"{self._title} epoch {epoch}/{epochs}",
            unit="batch",
            leave=False,
            file=sys.stdout,
            disable=not sys.stdout.isatty(),
        )
        yield from self._bar

    def batches_done(self, samples: int, loss: float) -> None:
        """Show the last batch's loss, the validation accuracy of the epoch before, and samples per second."""
        self._samples += samples
        self._speed = f"{self._samples / (time.perf_counter() - self._started):,.0f} samples/s"
        self._bar.set_postfix_str(f"loss {loss:.4f}{self._validation}, {self._speed}", refresh=False)

    def epoch_done(self, epoch: int, epochs: int, loss: float, accuracy: float | None) -> None:
        """Print one line."""
        self._validation = "" if accuracy is None else f", validation accuracy {100 * accuracy:.2f} %"
        print(f"{self._title} epoch {epoch}/{epochs}: loss {loss:.4f}{self._validation}, {self._speed}", flush=True)

    def at_level(self, level: float) -> "TerminalProgress":
        """The lines of a level are those of its net."""
        return TerminalProgress(self._method, self._seed, level, self._note)

    def level_done(self, level: "PrunedLevel") -> None:
        """Print one line."""
        mask, net = level.mask, f"{net_name(self._method, level.level, self._seed)}{self._note}"
        emptied = sum(not layer.any() for layer in mask.values())
        print(
            f"{net}: sparsity {percent(mask.sparsity)}, {mask.nnz:,} of {mask.size:,} synapses"
            f"{f', {emptied} of its layers without synapses' if emptied else ''}, validation accuracy "
            f"{100 * level.validation_before:.2f} -> {100 * level.validation:.2f} %",
            flush=True,
        )
