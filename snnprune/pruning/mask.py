"""The mask of a network: one boolean tensor per prunable weight, True where the synapse is kept."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

PRUNABLE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def prunable_weights(network: nn.Module) -> dict[str, nn.Parameter]:
    """Name -> weight of every Linear and Conv module, in the network's order; biases and neurons are never pruned.
    Raises ValueError: the network has none."""
    found = {
        f"{name}.weight": module.weight for name, module in network.named_modules() if isinstance(module, PRUNABLE)
    }
    if not found:
        raise ValueError("the network has no prunable weight (no Linear or Conv module)")
    return found


class Mask(Mapping[str, Tensor]):
    """An immutable mapping of weight names to boolean tensors of the weights' shapes."""

    def __init__(self, layers: Mapping[str, Tensor]) -> None:
        """Copy the tensors. Raises TypeError unless every one is boolean."""
        for name, layer in layers.items():
            if layer.dtype != torch.bool:
                raise TypeError(f"mask of {name}: expected a boolean tensor, found {layer.dtype}")
        self._layers = {name: layer.detach().cpu().clone() for name, layer in layers.items()}

    @classmethod
    def dense(cls, weights: Mapping[str, Tensor]) -> "Mask":
        """Everything kept."""
        return cls({name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in weights.items()})

    def __getitem__(self, name: str) -> Tensor:
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def size(self) -> int:
        """Number of prunable synapses."""
        return sum(layer.numel() for layer in self._layers.values())

    @property
    def nnz(self) -> int:
        """Number of kept synapses."""
        return sum(int(layer.count_nonzero()) for layer in self._layers.values())

    @property
    def sparsity(self) -> float:
        """Pruned synapses / prunable synapses, 0..1."""
        return 1 - self.nnz / self.size

    def vector(self) -> Tensor:
        """All entries in one boolean vector, layer after layer."""
        return flatten(self._layers)

    def with_vector(self, vector: Tensor) -> "Mask":
        """A mask of the same shapes from one boolean vector of `size` entries."""
        return Mask(unflatten(vector, self._layers))

    def inside(self, other: "Mask") -> bool:
        """True when every synapse kept here is kept in `other` too (nested masks)."""
        return list(self) == list(other) and all(
            layer.shape == other[name].shape and bool((~layer | other[name]).all()) for name, layer in self.items()
        )

    def require_fitting(self, network: nn.Module) -> None:
        """Raises ValueError unless this is a mask of the network's prunable weights, all or some of them."""
        shapes = {name: weight.shape for name, weight in prunable_weights(network).items()}
        if not self or any(shapes.get(name) != layer.shape for name, layer in self.items()):
            raise ValueError("the mask does not fit the network's prunable weights")

    def apply(self, weights: Mapping[str, nn.Parameter]) -> None:
        """Set the pruned entries of `weights` to zero, in place."""
        with torch.no_grad():
            for name, layer in self._layers.items():
                weights[name].masked_fill_(~layer.to(weights[name].device), 0.0)


def flatten(layers: Mapping[str, Tensor]) -> Tensor:
    """One vector of all tensors' entries, in the mapping's order."""
    return torch.cat([layer.reshape(-1) for layer in layers.values()])


def unflatten(vector: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `flatten`, with names and shapes of `like`. Raises ValueError when the length differs."""
    sizes = [layer.numel() for layer in like.values()]
    if vector.numel() != sum(sizes):
        raise ValueError(f"expected a vector of {sum(sizes)} entries for {len(sizes)} layers, found {vector.numel()}")
    parts = vector.split(sizes)
    return {name: part.reshape(layer.shape) for (name, layer), part in zip(like.items(), parts, strict=True)}
