"""Symmetric uniform rounding of weights to a few bits, w ~ scale * q, with whole q in -(2^(bits-1) - 1)..2^(bits-1) - 1
(Krishnamoorthi, arXiv 1806.08342, without a zero point: zero stays zero, so that a pruned synapse stays pruned)."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

Per = Literal["layer", "row"]
PER: tuple[Per, ...] = get_args(Per)
LEAST = 2.0**-30  # scale: weight decay leaves 1e-20 and less of a neuron that is silent, too little for any membrane
GRID = torch.linspace(1.0, 0.3, 36, dtype=torch.float64)  # shares of the largest weight that become the largest q


def largest(bits: int) -> int:
    """The largest q of so many bits: 127 of 8, 7 of 4."""
    return 2 ** (bits - 1) - 1


@torch.no_grad()
def scales(weight: Tensor, bits: int, per: Per) -> Tensor:
    """The scale of each row of a weight [rows, ...], float64 [rows]: one for all, or each its own.

    It is that of a grid with the least squared error: of a few bits it pays to cut the largest weights (Banner et al.,
    arXiv 1810.05723). A row without a synapse has the layer's. None is below 2^-30.
    """
    rows = weight.double().reshape(len(weight), -1)
    whole = _best(rows.reshape(1, -1), bits)
    if per == "layer":
        return whole.expand(len(rows)).clone()
    return torch.where(rows.any(1), _best(rows, bits), whole)


def rounded(weight: Tensor, scale: Tensor, bits: int) -> Tensor:
    """The whole numbers q of a weight [rows, ...] by its rows' `scale`; float64."""
    most = largest(bits)
    return (weight.double() / over_rows(scale, weight)).round().clamp(-most, most)


def over_rows(values: Tensor, weight: Tensor) -> Tensor:
    """Values [rows] as they spread over a weight [rows, ...]."""
    return values.reshape(-1, *[1] * (weight.dim() - 1))


def _best(rows: Tensor, bits: int) -> Tensor:
    """For each of rows [R, N] the scale with the least squared error [R]; 1 for one that is zero."""
    most = rows.abs().amax(1)
    most = torch.where(most > 0, most, float(largest(bits)))
    best, least = most / largest(bits), torch.full_like(most, float("inf"))
    for share in GRID:
        scale = share * most / largest(bits)
        error = (rows - rounded(rows, scale, bits) * scale[:, None]).square().sum(1)
        best, least = torch.where(error < least, scale, best), torch.minimum(error, least)
    return best.clamp(min=LEAST)


class StraightThrough(nn.Module):
    """A parametrisation (`torch.nn.utils.parametrize`): the weight is used rounded, and its gradient goes to what is
    rounded as if nothing were (the straight-through estimator, Bengio et al., arXiv 1308.3432). The scale stays."""

    def __init__(self, weight: Tensor, scale: Tensor, bits: int) -> None:
        """Of a weight [rows, ...] by its rows' `scale`; synapses that are zero now have no gradient."""
        super().__init__()
        self.bits = bits
        self.register_buffer("scale", over_rows(scale, weight).to(weight))
        self.register_buffer("kept", weight.detach() != 0)

    def forward(self, weight: Tensor) -> Tensor:
        """The rounded weight."""
        most, weight = largest(self.bits), weight * self.kept
        whole = (weight.detach() / self.scale).round().clamp(-most, most) * self.scale
        return whole + (weight - weight.detach())
