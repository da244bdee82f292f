"""Progress of training on the terminal: a live bar where there is one, and one line per epoch everywhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from torch import Tensor
from tqdm import tqdm

from snnprune.core.training.fit import Progress

if TYPE_CHECKING:  # the stage `train` depends on nothing that prunes
    from snnprune.pruning.iterate import PrunedLevel


class TerminalProgress(Progress):
    """Prints loss, validation accuracy and speed while an epoch passes, and in one line when it is done."""

    def __init__(self, title: str) -> None:
        """`title` opens every line, such as `cqp seed 0`."""
        self._title = title
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
        self._validation = "" if accuracy is None else f", validation {accuracy:.2%}"
        print(f"{self._title} epoch {epoch}/{epochs}: loss {loss:.4f}{self._validation}, {self._speed}", flush=True)

    def at_level(self, level: float) -> "TerminalProgress":
        """A level's lines say the level, too."""
        return TerminalProgress(f"{self._title} level {level}")

    def level_done(self, level: "PrunedLevel") -> None:
        """Print one line."""
        mask = level.mask
        print(
            f"{self._title} level {level.level}: sparsity {mask.sparsity:.4f}, {mask.nnz} of {mask.size} synapses, "
            f"validation {level.validation_before:.2%} -> {level.validation:.2%}",
            flush=True,
        )
