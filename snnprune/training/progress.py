"""What training reports while it runs; the base class is silent, so a library call prints nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor


class Progress:
    """Receives the progress of training and pruning. Override what you want to see; every method does nothing here."""

    def batches(self, batches: Sequence[Tensor], epoch: int, epochs: int) -> Iterable[Tensor]:
        """Called at the start of epoch 1 <= `epoch` <= `epochs`; pass on its `batches` (index tensors of samples)."""
        return batches

    def batch_done(self, samples: int, loss: float) -> None:
        """A batch of `samples` samples had this loss."""

    def epoch_done(self, epoch: int, epochs: int, loss: float, accuracy: float | None) -> None:
        """An epoch ended: mean training loss, and validation accuracy (0..1; None without validation data)."""

    def at_level(self, level: float) -> "Progress":
        """Who receives the progress of fine-tuning at this sparsity."""
        return self

    def level_done(self, level: Any) -> None:
        """A sparsity was reached and fine-tuned (`snnprune.pruning.iterate.PrunedLevel`)."""
