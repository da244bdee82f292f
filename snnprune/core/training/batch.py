"""A batch of training samples: chosen, moved, turned and distorted at random."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from snnprune.core.dataset import Split
from snnprune.core.lif import is_compiled
from snnprune.core.training.params import Augment, Elastic
from snnprune.sparse import kernels
from snnprune.sparse.events import gather_frames
from snnprune.sparse.threads import by_rows


@dataclass(frozen=True)
class Batch:
    """Images [B, C, H, W], or frames [B, T, C, H, W], and labels [B]; `rows` [B] says which samples of the split they
    are, `shift` [B, 3] by how many pixels (y, x) they were moved up and left, and by how many steps earlier."""

    images: Tensor
    labels: Tensor
    rows: Tensor
    shift: Tensor


def make_batch(split: Split, rows: Tensor, params: Augment, in_rows: bool = False) -> Batch:
    """The samples `rows`, each shifted, rotated, distorted and moved in time by its own draw from torch's global
    generator. Pixels and frames from outside are 0; rotated and distorted images are interpolated bilinearly; all
    frames of a recording shift alike.
    `in_rows`: a pixel's values of all steps and samples lie side by side, as a sparse first layer wants them
    (`SpikingNetwork.reads_rows`)."""
    angle = (
        (torch.rand(len(rows)) * 2 - 1) * math.radians(params.rotation) if params.rotation else torch.zeros(len(rows))
    )
    shift = torch.zeros((len(rows), 3), dtype=torch.long)
    if params.shift:
        shift[:, :2] = torch.empty((len(rows), 2), dtype=torch.long).random_(-params.shift, params.shift + 1)
    if params.jitter:
        shift[:, 2] = torch.empty(len(rows), dtype=torch.long).random_(-params.jitter, params.jitter + 1)
    if not params.interpolates:
        return Batch(shifted(split.images, rows, shift, in_rows), split.labels[rows], rows, shift)
    chosen = split.images[rows]
    field = None if params.elastic is None else displacements(params.elastic, len(rows), *chosen.shape[2:])
    return Batch(_turned(chosen, angle, shift, field), split.labels[rows], rows, shift)


def displacements(params: Elastic, count: int, height: int, width: int) -> Tensor:
    """By how many pixels every pixel of `count` images is displaced, [count, H, W, 2] (x, y); see `Elastic`. The field
    is 0 outside the image before it is smoothed."""
    field = torch.rand(count, 2, height, width) * 2 - 1
    field = smoothing(params.sigma, height) @ field @ smoothing(params.sigma, width).T
    return params.alpha * field.permute(0, 2, 3, 1)


def smoothing(sigma: float, size: int) -> Tensor:
    """The matrix [size, size] that smooths a line of pixels by a Gaussian, cut at 3 `sigma` pixels. A product with
    it is much faster than a convolution."""
    reach = math.ceil(3 * sigma)
    gaussian = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2))
    apart = torch.arange(size) - torch.arange(size)[:, None]
    inside = apart.abs() <= reach
    return gaussian[apart.clamp(-reach, reach) + reach].masked_fill(~inside, 0.0) / gaussian.sum()


def shifted(images: Tensor, rows: Tensor, shift: Tensor, in_rows: bool = False) -> Tensor:
    """The images [N, C, H, W], or frames [N, T, C, H, W], of `rows` [B]; what was at (y + shift[0], x + shift[1]) of
    step t + shift[2] is at (y, x) of step t."""
    if images.dim() == 5:
        is_read = images.device.type == "cpu" and images.dtype in (torch.uint8, torch.float32)
        return gathered(images, rows, shift, in_rows) if is_read else indexed(images, rows, shift)
    is_moved = bool(shift.any())
    if is_compiled(images) and images.dim() == 4 and (in_rows or is_moved):
        out = torch.empty((*images.shape[1:], len(rows)) if in_rows else (len(rows), *images.shape[1:]))
        arrays = images.contiguous().numpy(), rows.numpy(), shift[:, :2].contiguous().numpy()
        by_rows(kernels.gather, len(rows), *arrays, in_rows, out.numpy())
        return out.movedim(-1, 0) if in_rows else out
    chosen = images.index_select(0, rows.to(images.device))
    return _turned(chosen, torch.zeros(len(rows)), shift) if is_moved else chosen


def gathered(frames: Tensor, rows: Tensor, shift: Tensor, in_rows: bool = False) -> Tensor:
    """`shifted` of frames on the CPU, uint8 or float32; where they do not lie in rows they lie time-major."""
    steps, *shape = frames.shape[1:]
    if in_rows:
        out = torch.zeros((*shape, steps, len(rows))).permute(4, 3, 0, 1, 2)
    else:
        out = torch.zeros((steps, len(rows), *shape)).transpose(0, 1)
    by_rows(gather_frames, len(rows), frames.contiguous().numpy(), rows.numpy(), shift.numpy(), out.numpy())
    return out


def indexed(frames: Tensor, rows: Tensor, shift: Tensor) -> Tensor:
    """`shifted` of frames on any device, of any type."""
    chosen = frames.index_select(0, rows.to(frames.device))
    chosen = chosen if chosen.is_floating_point() else chosen.float()
    for axis, by in ((3, shift[:, 0]), (4, shift[:, 1]), (1, shift[:, 2])):
        size = chosen.shape[axis]
        shape = [len(rows) if of == 0 else size if of == axis else 1 for of in range(5)]
        places = (torch.arange(size) + by[:, None]).view(shape).to(frames.device)
        moved = chosen.gather(axis, places.clamp(0, size - 1).expand(chosen.shape))
        chosen = moved.masked_fill((places < 0) | (places >= size), 0)
    return chosen


def _turned(images: Tensor, angle: Tensor, shift: Tensor, field: Tensor | None = None) -> Tensor:
    """Images [B, C, H, W] turned by `angle` [B] (radians), then shifted, each pixel displaced by `field` [B, H, W, 2]
    (pixels x, y) beside."""
    height, width = images.shape[2:]
    cos, sin, moved = angle.cos(), angle.sin(), shift.float()
    # affine_grid works in -1..1 per axis: a pixel is 2/size, and a rotation must allow for the sides' ratio.
    rows = [
        torch.stack([cos, -sin * height / width, moved[:, 1] * 2 / width], dim=1),
        torch.stack([sin * width / height, cos, moved[:, 0] * 2 / height], dim=1),
    ]
    affine = torch.stack(rows, dim=1).to(images)
    grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    if field is not None:
        grid = grid + field.to(grid) * torch.tensor([2 / width, 2 / height]).to(grid)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
