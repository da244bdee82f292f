"""What a pruning method is, and what it is given: the weights, the mask so far, and how many synapses to keep."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from snnprune.core.errors import NotFiniteError, UserError
from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask, flatten
from snnprune.pruning.params import CriticalityKind
from snnprune.pruning.select import keep_top, share_by_layer

Layers = Mapping[str, Tensor]
Pick = Callable[[Layers], Tensor]
Samples = Callable[[], Iterator[tuple[Tensor, Tensor]]]


class BrokenMethod(UserError):
    """What a method gave per synapse does not fit the weights, its mask is none or not inside the one before, or an
    exact method keeps another number than asked."""


class Measure(Protocol):
    """Computes criticality in the weights' shapes: of this kind, or of the experiment's (`prune.criticality.kind`)."""

    def __call__(self, kind: CriticalityKind | None = None) -> Layers: ...


@dataclass(frozen=True)
class Problem:
    """One pruning step of one network; a method reads it and returns a new mask inside `mask`.

    Attributes:
        weights: name -> current weight (pruned entries are zero), on the CPU, detached.
        mask: the mask so far.
        keep: synapses to keep over the whole network.
        scope: `global`, one ranking over all layers, or `layer`, the same share of every layer.
        seed: for methods that draw at random; differs by level.
        criticality: name -> criticality in the weights' shapes; computed when called, see `Measure`.
        network: the network as it is now, in evaluation mode, for a method that measures something else of it; never
            changed. None in a problem of bare weights.
        samples: the training batches that criticality is averaged over, images [B, C, H, W] (or frames) and labels [B].
    """

    weights: Layers
    mask: Mask
    keep: int
    scope: str
    seed: int
    criticality: Measure
    network: nn.Module | None = None
    samples: Samples | None = None

    def keep_top(self, scores: Layers, protected: Layers | None = None) -> Mask:
        """The mask of exactly `keep` synapses: the protected ones, then the highest scores (see `select.keep_top`).
        Raises InfeasibleSelection: more are protected, or fewer are left, than are to be kept. Raises BrokenMethod,
        NotFiniteError: see `at_kept`."""
        return self.choose(
            lambda pick, keep: keep_top(pick(scores), keep, None if protected is None else pick(protected))
        )

    def choose(self, rule: Callable[[Pick, int], Tensor]) -> Mask:
        """Apply `rule` once over the network, or per layer, after the scope. `rule(pick, keep)` returns a boolean
        vector over the synapses still kept in its part; `pick(layers)` gives the entries of any per-weight tensors at
        those synapses, in index order."""
        parts, shares = [list(self.mask)], [self.keep]
        if self.scope == "layer":
            parts = [[name] for name in self.mask]
            shares = share_by_layer(self.keep, [layer.numel() for layer in self.mask.values()])
        chosen = []
        for names, share in zip(parts, shares, strict=True):
            vector = flatten({name: self.mask[name] for name in names})
            kept = rule(lambda layers, names=names: self.at_kept(layers, names), share)
            chosen.append(torch.zeros_like(vector).index_put((vector.nonzero().squeeze(1),), kept))
        return self.mask.with_vector(torch.cat(chosen))

    def at_kept(self, layers: Layers, names: Iterable[str]) -> Tensor:
        """The entries of per-weight tensors at the synapses still kept in the layers `names`, in index order. Raises
        BrokenMethod: they are no tensors of the weights' shapes. Raises NotFiniteError: one is NaN or infinite."""
        found = []
        for name in names:
            mask, given = self.mask[name], layers.get(name)
            if not isinstance(given, Tensor) or given.shape != mask.shape:
                what = f"a tensor {list(given.shape)}" if isinstance(given, Tensor) else type(given).__name__
                raise BrokenMethod(f"scores of {name}: expected a tensor {list(mask.shape)}; found {what}")
            found.append(given[mask])
            if wrong := int((~found[-1].isfinite()).sum()):
                raise NotFiniteError(f"scores of {name}: {wrong} of {found[-1].numel()} are NaN or infinite")
        return torch.cat(found)


def at_once(params: Block) -> int:
    """The rounds of a method that prunes to a level before it is fine-tuned."""
    return 1


@dataclass(frozen=True)
class Method:
    """A pruning method: name, schema of its parameters, the function from a problem to a mask, whether it is exact
    (keeps as many synapses as asked, checked in every run), and in how many rounds a level's synapses go while it is
    fine-tuned."""

    name: str
    params: type[Block]
    prune: Callable[[Problem, Block], Mask]
    exact: bool
    rounds: Callable[[Block], int] = at_once
