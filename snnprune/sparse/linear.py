"""A dense or sparse linear layer whose values lie in rows, and the synapses that a mask leaves (CSR)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from snnprune.sparse import kernels
from snnprune.sparse.lif import in_memory
from snnprune.sparse.threads import by_rows


@dataclass(frozen=True)
class Synapses:
    """Which synapses of a weight [outputs, inputs] are left, in the order of its rows.

    starts, indices: row j's are starts[j]..starts[j + 1], from the inputs `indices` (CSR).
    back_starts, back_indices: the same of the transposed weight; `places` says where in the rows' order each is.
    Indices are of 16 bits where that is enough, else of 32: a loop is compiled for each type.
    """

    shape: tuple[int, int]
    starts: np.ndarray
    indices: np.ndarray
    back_starts: np.ndarray
    back_indices: np.ndarray
    places: Tensor

    @classmethod
    def of(cls, mask: Tensor) -> "Synapses":
        """Those that are True in a mask [outputs, inputs]."""
        outputs, inputs = mask.shape
        rows, columns = mask.numpy().nonzero()
        order = np.argsort(columns, kind="stable")
        return cls(
            shape=(outputs, inputs),
            starts=_starts(mask.sum(1)),
            indices=_small(columns, inputs),
            back_starts=_starts(mask.sum(0)),
            back_indices=_small(rows[order], outputs),
            places=torch.from_numpy(order),
        )

    def __len__(self) -> int:
        return len(self.indices)


class SparseProduct(torch.autograd.Function):
    """Current [T, B, outputs], or [B, outputs], lying in rows, of inputs [T, B, inputs] or [B, inputs]."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, values: Tensor, bias: Tensor | None, synapses: Synapses) -> Tensor:
        rows = in_memory(inputs, True).flatten(1)
        out = torch.empty(synapses.shape[0], rows.shape[1])
        by_rows(
            kernels.multiply, len(out), synapses.starts, synapses.indices, values.detach().numpy(), _numpy(bias),
            rows.numpy(), out.numpy(),
        )  # fmt: skip
        ctx.save_for_backward(rows, values)
        ctx.synapses, ctx.shape, ctx.has_bias = synapses, inputs.shape, bias is not None
        return out.view(-1, *inputs.shape[:-1]).movedim(0, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (rows, values), synapses = ctx.saved_tensors, ctx.synapses
        current = in_memory(grad, True).flatten(1)
        grad_values, grad_bias = torch.empty_like(values), torch.empty(synapses.shape[0] if ctx.has_bias else 0)
        by_rows(
            kernels.correlate, len(current), synapses.starts, synapses.indices, current.numpy(), rows.numpy(),
            grad_values.numpy(), grad_bias.numpy(),
        )  # fmt: skip
        grad_inputs = None
        if ctx.needs_input_grad[0]:
            back = torch.empty(synapses.shape[1], rows.shape[1])
            by_rows(
                kernels.multiply, len(back), synapses.back_starts, synapses.back_indices,
                values.detach()[synapses.places].numpy(), _numpy(None), current.numpy(), back.numpy(),
            )  # fmt: skip
            grad_inputs = back.view(-1, *ctx.shape[:-1]).movedim(0, -1)
        return grad_inputs, grad_values, grad_bias if ctx.has_bias else None, None


class SparseLinear(nn.Module):
    """A linear layer that has only the synapses of a mask: its parameters are their `values` [nnz] and the bias, so
    that a gradient, a moment or an update of another synapse does not exist."""

    def __init__(self, linear: nn.Linear, mask: Tensor) -> None:
        """Of `linear`, those of `mask` [outputs, inputs]; the bias is its own."""
        super().__init__()
        self.synapses = Synapses.of(mask)
        self._mask = mask
        self.values = nn.Parameter(linear.weight.detach()[mask])
        self.bias = linear.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """Current [..., outputs] of inputs [T, B, inputs] or [B, inputs]."""
        return SparseProduct.apply(inputs, self.values, self.bias, self.synapses)

    def dense_weight(self) -> Tensor:
        """The weight [outputs, inputs], zero where there is no synapse."""
        weight = torch.zeros(self.synapses.shape)
        weight[self._mask] = self.values.detach()
        return weight


def linear_in_rows(layer: nn.Linear, inputs: Tensor) -> Tensor:
    """`layer`'s current, lying in rows, of inputs [T, B, inputs] or [B, inputs]."""
    product = product_in_rows(layer, inputs)
    return product if layer.bias is None else product + layer.bias


def product_in_rows(layer: nn.Linear, inputs: Tensor) -> Tensor:
    """The same without the bias."""
    rows = inputs.movedim(-1, 0).flatten(1)
    return (layer.weight @ rows).view(-1, *inputs.shape[:-1]).movedim(0, -1)


def _starts(counts: Tensor) -> np.ndarray:
    """Where each row's synapses begin, and the end, from their counts."""
    return np.concatenate([[0], counts.cumsum(0).numpy()]).astype(np.uint32)


def _small(numbers: np.ndarray, limit: int) -> np.ndarray:
    """Whole numbers below `limit`."""
    return numbers.astype(np.uint16 if limit <= 1 << 16 else np.uint32)


def _numpy(values: Tensor | None) -> np.ndarray:
    return np.empty(0, np.float32) if values is None else values.detach().numpy()
