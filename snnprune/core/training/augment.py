"""Random shift and rotation of image batches."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from snnprune.core.training.params import Augment


def augment(images: Tensor, params: Augment) -> Tensor:
    """Each image [B, C, H, W] rotated and shifted by its own draw from torch's global generator; off when both are 0.
    Pixels from outside are 0; rotated images are interpolated bilinearly."""
    if params.shift == 0 and params.rotation == 0:
        return images
    batch, _, height, width = images.shape
    angle = (torch.rand(batch) * 2 - 1) * math.radians(params.rotation)
    shift = torch.randint(-params.shift, params.shift + 1, (batch, 2)).float()
    cos, sin = angle.cos(), angle.sin()
    # affine_grid works in -1..1 per axis: a pixel is 2/size, and a rotation must allow for the sides' ratio.
    rows = [
        torch.stack([cos, -sin * height / width, shift[:, 0] * 2 / width], dim=1),
        torch.stack([sin * width / height, cos, shift[:, 1] * 2 / height], dim=1),
    ]
    affine = torch.stack(rows, dim=1).to(images)
    grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
