"""A resume point: the state that training saves each epoch, so that an interrupted run goes on where it stopped."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from snnprune.core.files import replace


@dataclass(frozen=True)
class ResumePoint:
    """One file that holds the last state saved (tensors and plain values)."""

    path: Path

    def load(self) -> dict[str, Any] | None:
        """The last state saved, on the CPU, or None when there is none."""
        return torch.load(self.path, map_location="cpu", weights_only=True) if self.path.is_file() else None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state; a kill at any moment leaves the older or the newer one, whole."""
        replace(self.path, lambda partial: torch.save(state, partial))
