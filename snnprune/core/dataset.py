"""A dataset in memory: its splits as tensors."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Images [N, C, H, W] (float32; 0..1 for stored pixels) and their labels [N] (int64, 0..classes-1)."""

    images: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "Split":
        """The same split on another device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Dataset:
    """The three splits of a dataset; `digest` is the SHA-256 of their content (`content_digest`)."""

    name: str
    classes: int
    digest: str
    train: Split
    validation: Split
    test: Split

    def to(self, device: torch.device) -> "Dataset":
        """The same dataset on another device."""
        return replace(self, **{split: getattr(self, split).to(device) for split in SPLITS})
