"""Compensation: the weights that a mask keeps are solved anew, layer by layer, so that neurons get the dense net's
currents. Least squares, no training.

Of a layer with filtered inputs z[t] = sum_k beta^(t-k) x[k] (what a membrane holds of its inputs, but for resets),
every row w of kept weights and its bias b minimise

    mean over samples of the sum over steps and positions of (w z + b c - y)^2  +  lambda (|w - w0|^2 + (b - b0)^2)

c[t] is the filtered constant 1, y the dense net's filtered current, w0 and b0 the values before, lambda `damping` times
the mean square of an input. z comes from the pruned net, whose earlier layers are solved already. It is the layer-wise
least squares of Optimal Brain Compression (arXiv 2208.11580) on the inputs that Spiking Brain Compression takes (arXiv
2506.03996).
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, encoded_input, evaluating, run_fused
from snnprune.core.seeds import derive_seed
from snnprune.core.training.fit import shuffled_batches
from snnprune.pruning.mask import Mask, prunable_weights

SAMPLES = 4096
BATCH_SIZE = 256
DAMPING = 0.01
VALUES = 1 << 22  # of the matrices that are solved together: 32 MiB


@dataclass(frozen=True)
class Moments:
    """Of a layer, means over samples of sums over steps and positions, float64. gram [I + 1, I + 1]: products of the
    filtered inputs with each other, the constant last. cross [I + 1, O]: those with the dense net's filtered currents.
    """

    gram: Tensor
    cross: Tensor


@dataclass(frozen=True)
class Solved:
    """Rows [O, I + 1], the bias last, and beside every kept entry the diagonal [O, I + 1] of the inverse of its row's
    damped gram matrix, 0 elsewhere; None where it was not asked for."""

    rows: Tensor
    inverse: Tensor | None


class Compensation:
    """Compensates masks of one dense net on the same samples.

    >>> from snnprune import build
    >>> dense = build([16, 8, 2])
    >>> mask = Mask({name: weight.abs() > 0.1 for name, weight in prunable_weights(dense).items()})
    >>> pruned = Compensation(dense, [torch.rand(40, 1, 4, 4)]).network(mask)
    >>> all(bool((weight[~mask[name]] == 0).all()) for name, weight in prunable_weights(pruned).items())
    True
    """

    def __init__(
        self, dense: SpikingNetwork, batches: Sequence[Tensor], *, damping: float = DAMPING, seed: int = 0
    ) -> None:
        """batches: images [B, C, H, W], or frames, on the net's device; they are read again for every layer. seed: of a
        random encoding. Raises UserError: the network runs a forward of its own, damping is
        not positive, or there is no sample."""
        require_plain(dense, "compensate")
        if not damping > 0:
            raise UserError(f"damping: found {damping}; it must be more than 0, for an input may never be active")
        if not any(map(len, batches)):
            raise UserError("compensate: needs samples to solve on; found none")
        self.dense, self._batches, self._damping, self._seed = dense, batches, damping, seed
        self._layers = {
            f"layers.{index}.weight": index
            for index, layer in enumerate(dense.layers)
            if f"layers.{index}.weight" in prunable_weights(dense)
        }

    @classmethod
    def on(
        cls, dense: SpikingNetwork, train: Split, *, samples: int = SAMPLES, damping: float = DAMPING, seed: int = 0
    ) -> "Compensation":
        """On `samples` training samples, or all where there are fewer, drawn by `seed`. Raises UserError: see above."""
        rows = shuffled_batches(len(train.labels), samples, seed)[0]
        return cls(dense, train.images[rows].split(BATCH_SIZE), damping=damping, seed=seed)

    def network(self, mask: Mapping[str, Tensor]) -> SpikingNetwork:
        """A copy of the dense net under `mask`, compensated, in the dense net's mode."""
        return self.step(mask, self.dense, inverse=False)[0]

    @torch.no_grad()
    def step(
        self, mask: Mapping[str, Tensor], start: SpikingNetwork, *, inverse: bool = True
    ) -> tuple[SpikingNetwork, dict[str, Tensor]]:
        """The same from the weights of `start`, and by weight the diagonal of the inverse gram matrices (`Solved`) in
        its shape; empty unless `inverse`."""
        network, diagonals = copy.deepcopy(start), {}
        Mask(mask).apply(prunable_weights(network))
        with evaluating(network), evaluating(self.dense):
            for name, index in self._layers.items():
                layer, moments = network.layers[index], self.moments(network, name)
                rows = torch.cat([layer.weight.flatten(1), layer.bias[:, None]], 1).double()
                layer_mask = mask.get(name, torch.ones_like(layer.weight, dtype=torch.bool)).to(rows.device)
                kept = functional.pad(layer_mask.flatten(1), (0, 1), value=True)
                solved = solve(moments, rows, kept, self._damping, inverse=inverse)
                layer.weight.copy_(solved.rows[:, :-1].view_as(layer.weight))
                layer.bias.copy_(solved.rows[:, -1])
                if inverse:
                    diagonals[name] = solved.inverse[:, :-1].reshape(layer.weight.shape)
        return network, diagonals

    def moments(self, network: SpikingNetwork, name: str) -> Moments:
        """Of the layer with the weight `name` in `network`. The first layer sees the same in every network."""
        index = self._layers[name]
        return self._first if name == next(iter(self._layers)) else self._moments(network, index)

    @cached_property
    def _first(self) -> Moments:
        return self._moments(self.dense, next(iter(self._layers.values())))

    @torch.no_grad()
    def _moments(self, network: SpikingNetwork, index: int) -> Moments:
        layer, gram, cross, count = self.dense.layers[index], 0.0, 0.0, 0
        dense_rows = torch.cat([layer.weight.flatten(1), layer.bias[:, None]], 1)
        same = network is self.dense or index == next(iter(self._layers.values()))
        for batch, images in enumerate(self._batches):
            seed = derive_seed(self._seed, batch)
            inputs = filtered_inputs(network, index, images, seed)
            currents = (inputs if same else filtered_inputs(self.dense, index, images, seed)) @ dense_rows.T
            gram, cross = gram + (inputs.T @ inputs).double(), cross + (inputs.T @ currents).double()
            count += len(images)
        return Moments(gram / count, cross / count)


def some_of(batches: Iterable[tuple[Tensor, Tensor]], samples: int) -> list[Tensor]:
    """The images of the first `samples` samples of batches of images and labels, `BATCH_SIZE` at a time."""
    found, left = [], samples
    for images, _ in batches:
        found += images[:left].split(BATCH_SIZE)
        left -= len(images)
        if left <= 0:
            break
    return found


def require_plain(network: nn.Module | None, what: str) -> None:
    """Raises UserError: the network runs a forward of the user's own, so that what its layers are fed is not known."""
    if not isinstance(network, SpikingNetwork):
        raise UserError(f"{what}: is for networks that are a plain sequence of layers; this one runs its own forward")


@torch.no_grad()
def filtered_inputs(network: SpikingNetwork, index: int, images: Tensor, seed: int) -> Tensor:
    """What layer `index` is fed, filtered by the membrane, and the constant 1 filtered likewise as the last column: a
    row for each step, sample and position of the kernel [rows, I + 1]. A constant input at all steps differs by factors
    alone: one row for all, with the same sum of squares."""
    encoded, steps, constant = encoded_input(network.spec, images, None, seed)
    layer, before = network.layers[index], network.layers[:index] or nn.Sequential(nn.Identity())
    values = run_fused(before, encoded, steps, constant)
    ones = _filtered(torch.ones(steps, device=values.device), network.spec.beta)
    if constant and not any(isinstance(earlier, MultiStepLeaky) for earlier in before):
        ones = ones.square().sum().sqrt()[None]
        values = values[:1] * ones
    else:
        values = _filtered(values, network.spec.beta)
    samples = values.shape[1]
    values = values.flatten(0, 1)
    if isinstance(layer, nn.Conv2d):
        shape = (layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        values = functional.unfold(values, *shape).transpose(1, 2)  # [steps * samples, positions, I]
    else:
        values = values[:, None]
    constants = ones.repeat_interleave(samples)[:, None, None].expand(-1, values.shape[1], 1)
    return torch.cat([values, constants], 2).flatten(0, 1)


def _filtered(values: Tensor, beta: float) -> Tensor:
    """z[t] = beta * z[t-1] + x[t] for x [T, ...]."""
    values = values.clone()
    for before, now in pairwise(values.unbind(0)):
        now.add_(before, alpha=beta)
    return values


def solve(moments: Moments, start: Tensor, kept: Tensor, damping: float, *, inverse: bool) -> Solved:
    """Minimise for every row w of `start` [O, I + 1] the mean of (w z - y)^2 + lambda |w - start|^2 over its `kept`
    entries, the others being 0; lambda is `damping` times the mean of gram's diagonal (`damping` where that is 0)."""
    rows, damped = start * kept, damping * (moments.gram.diagonal().mean().item() or 1.0)
    missing = moments.cross.T - rows @ moments.gram
    diagonals = torch.zeros_like(rows) if inverse else None
    whole = kept.all(1)
    if whole.any():  # they share one matrix
        factor = torch.linalg.cholesky(moments.gram + damped * torch.eye(kept.shape[1]).to(rows))
        rows[whole] += torch.cholesky_solve(missing[whole].T, factor).T
        if inverse:
            diagonals[whole] = torch.cholesky_inverse(factor).diagonal()
    for some, columns, valid in _groups(kept, (~whole).nonzero()[:, 0]):
        matrices = moments.gram[columns[:, :, None], columns[:, None, :]] * (valid[:, :, None] & valid[:, None, :])
        matrices.diagonal(dim1=1, dim2=2).add_(torch.where(valid, damped, 1.0))
        factors = torch.linalg.cholesky(matrices)
        wanted = missing[some].gather(1, columns) * valid
        rows[some] = rows[some].scatter_add(1, columns, torch.cholesky_solve(wanted[..., None], factors)[..., 0])
        if inverse:
            found = torch.cholesky_inverse(factors).diagonal(dim1=1, dim2=2) * valid
            diagonals[some] = diagonals[some].scatter(1, columns, found)
    return Solved(rows, diagonals)


def _groups(kept: Tensor, rows: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """These rows of `kept` [O, I] in groups of about as many entries, whose matrices have up to `VALUES` values (or are
    one): the rows [R], the columns of their entries [R, M], and which of these are entries [R, M]: shorter rows are
    filled up."""
    counts, order = kept[rows].count_nonzero(1).sort(stable=True)
    sizes, first = counts.tolist(), 0
    while first < len(sizes):
        last = first + 1
        while last < len(sizes) and (last + 1 - first) * sizes[last] ** 2 <= VALUES:
            last += 1
        some = rows[order[first:last]]
        columns = kept[some].int().argsort(dim=1, descending=True, stable=True)[:, : sizes[last - 1]]
        yield some, columns, kept[some].gather(1, columns)
        first = last
