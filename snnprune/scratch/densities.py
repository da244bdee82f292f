"""How many synapses each layer of a random sparse network has, and which."""

from collections.abc import Mapping

import torch
from torch import Tensor

from snnprune.core.seeds import derive_seed
from snnprune.pruning.mask import Mask
from snnprune.pruning.select import InfeasibleSelection, keep_top


def erdos_renyi(shapes: Mapping[str, tuple[int, ...]], keep: int) -> dict[str, int]:
    """Synapses of every layer, `keep` in all: in proportion to the sum of a weight's sides, outputs + inputs (Mocanu et
    al., arXiv 1707.04780), of a convolution + kernel height + width (ERK; Evci et al., arXiv 1911.11134).

    A layer that would have more than all its synapses is full, and the others share the rest. Whole numbers by the
    largest remainders, the earlier layer among equals. Raises InfeasibleSelection: fewer than `keep` synapses.
    """
    sizes = {name: torch.Size(shape).numel() for name, shape in shapes.items()}
    if not 0 <= keep <= sum(sizes.values()):
        raise InfeasibleSelection(f"cannot keep {keep} synapses: there are {sum(sizes.values())}")
    full: set[str] = set()
    while True:
        sides = {name: sum(shape) for name, shape in shapes.items() if name not in full}
        left, total = keep - sum(sizes[name] for name in full), sum(sides.values())
        over = {name for name, side in sides.items() if left * side > sizes[name] * total}
        if not over:
            break
        full |= over
    counts = {name: sizes[name] if name in full else left * sides[name] // total for name in shapes}
    by_remainder = sorted(sides, key=lambda name: left * sides[name] % total, reverse=True)
    for name in by_remainder[: keep - sum(counts.values())]:
        counts[name] += 1
    return counts


def random_mask(mask: Mask, keep: int, seed: int) -> Mask:
    """`keep` synapses drawn at random in the shapes of `mask`, layer by layer as many as `erdos_renyi` says."""
    counts = erdos_renyi({name: tuple(layer.shape) for name, layer in mask.items()}, keep)
    return Mask(
        {
            name: _drawn(layer, counts[name], derive_seed(seed, place))
            for place, (name, layer) in enumerate(mask.items())
        }
    )


def _drawn(layer: Tensor, count: int, seed: int) -> Tensor:
    draws = torch.rand(layer.numel(), generator=torch.Generator().manual_seed(seed))
    return keep_top(draws, count).view(layer.shape)
