"""Progress of training: a live bar on a terminal, and one line per epoch everywhere."""

import sys
import time
from collections.abc import Iterator, Sequence

from torch import Tensor
from tqdm import tqdm


class Progress:
    """Shows loss, validation accuracy and speed while an epoch passes, and in one line when it is done."""

    def __init__(self, title: str) -> None:
        """`title` opens every line, such as `cqp seed 0 level 0.9`."""
        self._title = title
        self._bar: tqdm = tqdm(disable=True)
        self._started = 0.0
        self._samples = 0
        self._validation = ""
        self._speed = ""

    def batches(self, batches: Sequence[Tensor], epoch: int, epochs: int) -> Iterator[Tensor]:
        """Pass `batches` (index tensors of samples) on while showing them."""
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

    def batch_done(self, samples: int, loss: float) -> None:
        """Count a batch and show its loss, the validation accuracy of the epoch before, and samples per second."""
        self._samples += samples
        self._speed = f"{self._samples / (time.perf_counter() - self._started):,.0f} samples/s"
        self._bar.set_postfix_str(f"loss {loss:.4f}{self._validation}, {self._speed}", refresh=False)

    def epoch_done(self, epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        """Print one line: mean training loss, validation accuracy (a fraction of 1), samples per second."""
        self._validation = f", validation {accuracy:.2%}"
        print(f"{self._title} epoch {epoch}/{epochs}: loss {loss:.4f}{self._validation}, {self._speed}", flush=True)
