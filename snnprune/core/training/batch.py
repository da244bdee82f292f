"""A batch of training samples: chosen, moved and turned at random."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from snnprune.core.dataset import Split
from snnprune.core.lif import is_compiled
from snnprune.core.training.params import Augment
from snnprune.sparse import kernels
from snnprune.sparse.threads import by_rows


@dataclass(frozen=True)
class Batch:
    """Images [B, C, H, W] and labels [B]; `rows` [B] says which samples of the split they are, `shift` [B, 2] by how
    many pixels (y, x) they were moved up and left."""

    images: Tensor
    labels: Tensor
    rows: Tensor
    shift: Tensor


def make_batch(split: Split, rows: Tensor, params: Augment, in_rows: bool = False) -> Batch:
    """The samples `rows`, each shifted and rotated by its own draw from torch's global generator. Pixels from outside
    are 0; rotated images are interpolated bilinearly. `in_rows`: a pixel's values of all images lie side by side, as a
    sparse first layer wants them (`SpikingNetwork.reads_rows`)."""
    angle = (torch.rand(len(rows)) * 2 - 1) * math.radians(params.rotation) if params.rotation else None
    shift = torch.zeros((len(rows), 2), dtype=torch.long)
    if params.shift:
        shift.random_(-params.shift, params.shift + 1)
    images = shifted(split.images, rows, shift, in_rows) if angle is None else _turned(split.images[rows], angle, shift)
    return Batch(images, split.labels[rows], rows, shift)


def shifted(images: Tensor, rows: Tensor, shift: Tensor, in_rows: bool = False) -> Tensor:
    """The images [N, C, H, W] of `rows` [B], what was at (y + shift[0], x + shift[1]) at (y, x)."""
    if not in_rows and not shift.any():
        return images.index_select(0, rows.to(images.device))
    if is_compiled(images) and images.dim() == 4:
        out = torch.empty((*images.shape[1:], len(rows)) if in_rows else (len(rows), *images.shape[1:]))
        arrays = images.contiguous().numpy(), rows.numpy(), shift.numpy()
        by_rows(kernels.gather, len(rows), *arrays, in_rows, out.numpy())
        return out.movedim(-1, 0) if in_rows else out
    return _turned(images.index_select(0, rows.to(images.device)), torch.zeros(len(rows)), shift)


def _turned(images: Tensor, angle: Tensor, shift: Tensor) -> Tensor:
    """Images [B, C, H, W] turned by `angle` [B] (radians), then shifted."""
    height, width = images.shape[2:]
    cos, sin, moved = angle.cos(), angle.sin(), shift.float()
    # affine_grid works in -1..1 per axis: a pixel is 2/size, and a rotation must allow for the sides' ratio.
    rows = [
        torch.stack([cos, -sin * height / width, moved[:, 1] * 2 / width], dim=1),
        torch.stack([sin * width / height, cos, moved[:, 0] * 2 / height], dim=1),
    ]
    affine = torch.stack(rows, dim=1).to(images)
    grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
