"""What torch's own operations, between the modules of a network, make of a `Value`: sums, changes of shape, pooling,
selecting and collecting time steps. Everything else has no place in a graph of one step, and is named."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from snnprune.adapters.values import Value, added

SAME = ("clone", "detach", "alias", "_to_copy", "lift_fresh", "contiguous", "positive")
NEW = ("zeros_like", "ones_like", "empty_like", "full_like", "new_zeros", "new_ones", "new_empty", "new_full")
RESHAPED = ("view", "_unsafe_view", "reshape", "_reshape_copy", "unsqueeze", "squeeze", "expand")


class Operations(Protocol):
    """What the rules ask of a trace."""

    steps: int

    def value(self, tensor: Any) -> Value | None:
        """Of a tensor; None: it does not depend on the network's input."""

    def node(self, name: str, module: nn.Module, given: Value, output: Tensor) -> Value:
        """The value of a module without a state that is called on `given`."""


def follow(trace: Operations, name: str, args: Sequence[Any], output: Any) -> Value | list[Value] | None:
    """The value of what an operation gave, of each tensor where there are several; None: it depends on no value.

    name: of torch's operation, without namespace and overload; args: what it was given."""
    tensors = [item for arg in args for item in (arg if isinstance(arg, list | tuple) else [arg])]
    values = [value for value in map(trace.value, tensors) if value is not None]
    if not values or name in NEW:
        return None
    rule = RULES.get(name)
    found = None if rule is None else rule(trace, args, output)
    if found is None:
        failed = values[0].failed(f"{name} of {values[0]}")
        return [failed] * len(output) if isinstance(output, list | tuple) else failed
    return found


def _same(trace: Operations, args: Sequence[Any], _: Any) -> Value | None:
    return trace.value(args[0])


def _add(trace: Operations, args: Sequence[Any], _: Any) -> Value | None:
    first, second = args[:2]
    values = trace.value(first), trace.value(second)
    if None not in values:
        return added(*values)
    value, other = (values[0], second) if values[1] is None else (values[1], first)
    return value if is_zero(other) else None


def is_zero(value: Any) -> bool:
    """Whether a number or every entry of a tensor is 0."""
    return not value.any() if isinstance(value, Tensor) else value == 0


def _reshape(trace: Operations, args: Sequence[Any], output: Tensor) -> Value | None:
    """Flattened or unflattened within a sample; an axis of time before a constant or the last step; one before what is
    made of all steps is no change."""
    given, value = args[0], trace.value(args[0])
    if value is None or value.problem:
        return value
    before, after = tuple(given.shape), tuple(output.shape)
    if before == after:
        return value
    if value.is_over_time:
        return value if after == (1, *before) else None
    if value.when == trace.steps - 1 and after == (1, *before):
        return Value(value.names, "last")
    if value.when == "constant" and after[-len(before) :] == before and after[: -len(before)] in ((1,), (trace.steps,)):
        return value if after[0] == 1 else Value(value.names, "sequence")
    batch = 2 if value.when == "sequence" else 1
    if before[:batch] != after[:batch] or math.prod(before) != math.prod(after):
        return None
    shape = after[batch:]
    module = nn.Flatten() if len(shape) == 1 else nn.Unflatten(1, shape)
    return trace.node("flatten" if len(shape) == 1 else "unflatten", module, value, output)


def _select(trace: Operations, args: Sequence[Any], _: Any) -> Value | None:
    given, axis, index = args[:3]
    value = trace.value(given)
    if value.problem or (value.when == "sequence" and axis == 0):
        return value if value.problem else Value(value.names, index % trace.steps)
    return None


def _unbind(trace: Operations, args: Sequence[Any], output: Sequence[Tensor]) -> list[Value] | None:
    value = trace.value(args[0])
    if value.problem or value.when != "sequence" or any(axis != 0 for axis in args[1:2]):
        return None
    return [Value(value.names, step) for step in range(len(output))]


def _stack(trace: Operations, args: Sequence[Any], output: Tensor) -> Value | None:
    """Of all steps; of one step or one total alone it is no change."""
    values = [trace.value(tensor) for tensor in args[0]]
    first = values[0]
    if first is None or (len(args) > 1 and args[1] != 0):
        return None
    if len(values) == 1 and first.is_over_time:
        return first
    steps = [Value(first.names, step) for step in range(trace.steps)]
    return Value(first.names, "sequence", first.problem) if values == steps else None


def _sum(trace: Operations, args: Sequence[Any], _: Any) -> Value | None:
    """Over time."""
    value = trace.value(args[0])
    over_time = value.when == "sequence" and [*args[1:2]] == [[0]]
    return Value(value.names, ("total", trace.steps - 1), value.problem) if over_time else None


def _mean(trace: Operations, args: Sequence[Any], output: Tensor) -> Value | None:
    """Over time."""
    total = _sum(trace, args, output)
    return None if total is None else Value(total.names, "mean", total.problem)


def _divide(trace: Operations, args: Sequence[Any], _: Any) -> Value | None:
    """The sum over time by the number of steps."""
    value, divisor = trace.value(args[0]), torch.as_tensor(args[1])
    is_mean = value is not None and value.when == ("total", trace.steps - 1) and divisor.eq(trace.steps).all()
    return Value(value.names, "mean", value.problem) if is_mean else None


def _max_pool(trace: Operations, args: Sequence[Any], output: Sequence[Tensor]) -> list[Value]:
    pool = nn.MaxPool2d(*args[1:5], ceil_mode=len(args) > 5 and args[5])
    value = trace.node("max_pool", pool, trace.value(args[0]), output[0])
    return [value, value.failed("the places of maxima")]


def _average_pool(trace: Operations, args: Sequence[Any], output: Tensor) -> Value:
    return trace.node("avg_pool", nn.AvgPool2d(args[1], args[2] or None, *args[3:]), trace.value(args[0]), output)


RULES: Mapping[str, Callable[[Operations, Sequence[Any], Any], Value | list[Value] | None]] = {
    **dict.fromkeys(SAME, _same),
    **dict.fromkeys(RESHAPED, _reshape),
    "add": _add,
    "add_": _add,
    "select": _select,
    "unbind": _unbind,
    "stack": _stack,
    "sum": _sum,
    "mean": _mean,
    "div": _divide,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _average_pool,
}


def name_of(operation: Any) -> str:
    """Of what a `TorchDispatchMode` is called with: `add` of `aten.add.Tensor`."""
    return operation.overloadpacket.__name__


def changes_its_input(operation: torch._ops.OpOverload) -> bool:
    """Whether an operation writes into one of its arguments."""
    return operation._schema.is_mutable
