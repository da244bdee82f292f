"""The one exact selection that every method uses: the best k synapses, ties broken by index.

It is the optimum of CQP's binary program, minimise sum_i I_i * (1 - m_i)^2 over m in {0,1}^n with sum m = k and m_i = 1
for every protected i: since (1 - m)^2 = 1 - m on {0,1} the objective separates, and keeping the protected set plus the
largest remaining I is optimal. No solver, no rounding.
"""

import torch
from torch import Tensor

from snnprune.core.errors import NotFiniteError, UserError


class InfeasibleSelection(UserError):
    """No mask keeps exactly k synapses under the constraints."""


def keep_count(level: float, size: int) -> int:
    """Synapses kept at a target sparsity: round((1 - level) * size)."""
    return round((1 - level) * size)


def keep_counts(left: int, keep: int, rounds: int) -> list[int]:
    """How many of the synapses `left` each of the `rounds` keeps: in each the same share goes, in the last `keep` are
    left."""
    return [*(round(left * (keep / left) ** (done / rounds)) if left else 0 for done in range(1, rounds)), keep]


def keep_top(scores: Tensor, keep: int, protected: Tensor | None = None) -> Tensor:
    """Boolean vector [n] with exactly `keep` True: the protected entries, then the highest scores, lower index first.

    Args:
        scores: [n] finite floats.
        keep: how many to keep, 0..n.
        protected: [n] booleans; these are always kept.
    Raises ValueError: shapes differ, or a score is not finite. Raises InfeasibleSelection: fewer than `keep` entries,
    or more protected ones.
    """
    protected = torch.zeros_like(scores, dtype=torch.bool) if protected is None else protected
    if scores.dim() != 1 or scores.shape != protected.shape:
        raise ValueError(f"scores {tuple(scores.shape)} and protected {tuple(protected.shape)} must be equal vectors")
    _require_finite(scores)
    if not 0 <= keep <= scores.numel():
        raise InfeasibleSelection(f"cannot keep {keep} synapses: {scores.numel()} are left to choose from")
    if int(protected.count_nonzero()) > keep:
        raise InfeasibleSelection(f"cannot keep {keep} synapses: {int(protected.count_nonzero())} are protected")
    order = torch.sort(scores, descending=True, stable=True).indices
    order = order[torch.sort(protected[order].to(torch.uint8), descending=True, stable=True).indices]
    kept = torch.zeros_like(protected)
    kept[order[:keep]] = True
    return kept


def lexicographic(primary: Tensor, secondary: Tensor) -> Tensor:
    """Scores [n] that rank by `primary` [n], equal ones by `secondary` [n]; still equal ones lower index first. Raises
    ValueError: a number is not finite."""
    _require_finite(primary)
    _require_finite(secondary)
    order = torch.sort(secondary, descending=True, stable=True).indices
    order = order[torch.sort(primary[order], descending=True, stable=True).indices]
    return torch.empty_like(primary, dtype=torch.float64).index_put(
        (order,), -torch.arange(len(order), dtype=torch.float64)
    )


def share_by_layer(keep: int, sizes: list[int]) -> list[int]:
    """Split `keep` over layers in proportion to their sizes, never more than a layer has; sums to `keep`.

    By Webster's method: the j-th synapse of a layer has rank (j - 1/2) / size, and the `keep` lowest ranks count.
    Keeping fewer then never gives a layer more, as rounding with the largest remainders can; nested masks need that.
    Raises InfeasibleSelection: fewer than `keep` synapses.
    """
    ranks = torch.cat([(torch.arange(size, dtype=torch.float64) + 0.5) / size for size in sizes])
    return [int(part.count_nonzero()) for part in keep_top(-ranks, keep).split(sizes)]


def _require_finite(scores: Tensor) -> None:
    if not bool(scores.isfinite().all()):
        raise NotFiniteError(f"{int((~scores.isfinite()).sum())} of {scores.numel()} scores are not finite")
