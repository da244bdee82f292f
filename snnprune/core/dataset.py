"""A dataset in memory: its splits as tensors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import data as torch_data

from snnprune.core.errors import DataError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Images [N, C, H, W] (float32, or float64 for a network of that type; 0..1 for stored pixels), or frames of events
    [N, T, C, H, W] (counts, uint8 too), and their labels [N] (int64, 0..classes-1)."""

    images: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "Split":
        """The same split on another device."""
        return Split(self.images.to(device), self.labels.to(device))


Data = Split | tuple[Any, Any] | torch_data.Dataset | Iterable[tuple[Tensor, Tensor]]


def as_split(data: Data, kind: torch.dtype = torch.float32) -> Split:
    """Images, or frames of events, and labels in memory.

    data: a `Split`; a pair (images [N, ...], labels [N]) of tensors or arrays; a torch Dataset; or a DataLoader (any
        iterable of batches of such pairs), which is read once, in its own order and with its own transforms.
    kind: the type that images get. They are floating point; frames [N, T, C, H, W], of five dimensions, may be uint8
        too, and stay so where `kind` is float32.
    Raises DataError: it is none of those, or images are of another type or not finite, labels not of an integer type,
    or one is missing.

    >>> as_split((torch.rand(3, 1, 8, 8), [0, 1, 1])).labels
    tensor([0, 1, 1])
    """
    if isinstance(data, Split):
        data = data.images, data.labels
    if isinstance(data, torch_data.Dataset):
        data = torch_data.DataLoader(data, batch_size=1000)
    try:
        if isinstance(data, tuple | list) and not _are_batches(data):
            images, labels = map(torch.as_tensor, data)
        else:
            batches = list(data) or [(torch.empty(0, 1), torch.empty(0, dtype=torch.long))]  # an empty Dataset's none
            images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    except (TypeError, ValueError, RuntimeError) as error:
        expected = "(images, labels), a Split, a Dataset or a DataLoader of such pairs"
        raise DataError(f"data: expected {expected}; found {type(data).__name__} ({error})") from error
    images = as_images(images)
    are_whole = not (labels.dtype.is_floating_point or labels.dtype.is_complex or labels.dtype == torch.bool)
    if not are_whole or labels.shape != images.shape[:1]:
        found = f"{labels.dtype} {list(labels.shape)}"
        raise DataError(f"labels: expected whole numbers [{len(images)}], one an image; found {found}")
    stay = images.dtype == torch.uint8 and kind == torch.float32
    return Split(images if stay else images.to(kind), labels.long())


def as_images(images: Any) -> Tensor:
    """Images, or frames of events, as a tensor. Raises DataError: they are of another type, not finite, or none."""
    try:
        images = torch.as_tensor(images)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"images: expected a tensor or an array; found {type(images).__name__} ({error})") from error
    are_counts = images.dtype == torch.uint8 and images.dim() == 5
    if not are_counts and (not images.is_floating_point() or images.dim() < 2):
        expected = "floating point [N, ...], 0..1, or frames of events, uint8 [N, T, C, H, W]"
        raise DataError(f"images: expected {expected}; found {images.dtype} {list(images.shape)}")
    if not images.numel():
        raise DataError(f"images: found none, {list(images.shape)}")
    if not images.isfinite().all():
        raise DataError("images: expected numbers, 0..1; found NaN or infinite ones")
    return images


def _are_batches(data: Sequence[Any]) -> bool:
    """Whether these are pairs (images, labels) themselves, rather than images and labels."""
    return bool(data) and all(
        isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(part, Tensor) for part in pair)
        for pair in data
    )


@dataclass(frozen=True)
class Dataset:
    """The three splits of a dataset; `digest` is the SHA-256 of their content (`content_digest`), `names` are the
    classes' in the order of their labels, `step_ms` is the duration of a frame of events (None: not known, or still
    images)."""

    name: str
    classes: int
    digest: str
    train: Split
    validation: Split
    test: Split
    names: tuple[str, ...] = ()
    step_ms: float | None = None

    def to(self, device: torch.device) -> "Dataset":
        """The same dataset on another device."""
        return replace(self, **{split: getattr(self, split).to(device) for split in SPLITS})
