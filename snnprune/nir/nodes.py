"""What computes each kind of NIR node. A kind is a function in `KINDS`; one that is not there is refused by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from snnprune.nir.neurons import Constants, Gives, Integrators, Neurons, Reset
from snnprune.nir.package import NirError

DT = 1e-4  # seconds: a step of the files that snnTorch and nirtorch write


@dataclass(frozen=True)
class Reading:
    """How neurons are read. dt: seconds of a step; None: 1e-4, but an IF whose r is 1 adds its input as it is, which
    is how sinabs writes it. gives: of neurons that spike, what they put out."""

    reset: Reset
    dt: float | None = None
    gives: Gives = "spikes"

    def seconds(self, node: Any) -> float | np.ndarray:
        """Of a step of an IF node."""
        return np.where(node.r == 1, 1.0, DT) if self.dt is None else self.dt


def module_of(name: str, node: Any, reading: Reading) -> nn.Module:
    """The module of a node. Raises NirError: a kind, shape or value that cannot be represented; names the node."""
    kind = type(node).__name__
    if kind not in KINDS:
        raise NirError(f"node {name}: {kind} cannot be represented; allowed are {', '.join(KINDS)}")
    for key, value in vars(node).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.isfinite(value).all():
            raise NirError(f"node {name} ({kind}): {key} has values that are NaN or infinite")
    try:
        return KINDS[kind](node, reading)
    except (ValueError, RuntimeError) as error:
        raise NirError(f"node {name} ({kind}): {error}") from error


def numbers(value: Any, count: int) -> tuple[int, ...]:
    """One number, or as many as `count`, as whole numbers."""
    return tuple(int(number) for number in np.broadcast_to(value, count))


def _linear(node: Any, _: Reading) -> nn.Module:
    return _affine(node, None)


def _biased(node: Any, _: Reading) -> nn.Module:
    return _affine(node, node.bias)


def _affine(node: Any, bias: np.ndarray | None) -> nn.Module:
    if node.weight.ndim != 2:
        raise ValueError(f"found a weight {list(node.weight.shape)}; allowed is [outputs, inputs]")
    outputs, inputs = node.weight.shape
    return _filled(skip_init(nn.Linear, inputs, outputs, bias=bias is not None), node.weight, bias)


def _convolution(kind: type[nn.Conv1d] | type[nn.Conv2d], axes: int) -> Callable[[Any, Reading], nn.Module]:
    def module(node: Any, _: Reading) -> nn.Module:
        outputs, inputs, *kernel = node.weight.shape
        groups = int(node.groups)
        padding = node.padding if isinstance(node.padding, str) else numbers(node.padding, axes)
        options = {"stride": numbers(node.stride, axes), "dilation": numbers(node.dilation, axes)}
        made = skip_init(kind, inputs * groups, outputs, tuple(kernel), padding=padding, groups=groups, **options)
        return _filled(made, node.weight, node.bias)

    return module


def _filled(module: nn.Module, weight: np.ndarray, bias: np.ndarray | None) -> nn.Module:
    for parameter, values in ((module.weight, weight), (module.bias, bias)):
        if parameter is not None:
            _copy(parameter, values)
    return module


def _copy(parameter: Tensor, values: np.ndarray) -> None:
    if tuple(parameter.shape) != values.shape:
        raise ValueError(f"found values {list(values.shape)}; allowed are {list(parameter.shape)}")
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(values))


def _flatten(node: Any, _: Reading) -> nn.Module:
    start, end = (int(axis) + (axis >= 0) for axis in (node.start_dim, node.end_dim))  # NIR leaves the batch out
    return nn.Flatten(start, end)


def _average_pool(node: Any, _: Reading) -> nn.Module:
    return nn.AvgPool2d(*(numbers(value, 2) for value in (node.kernel_size, node.stride, node.padding)))


def _sum_pool(node: Any, reading: Reading) -> nn.Module:
    pool = _average_pool(node, reading)
    pool.divisor_override = 1
    return pool


def _integrate_and_fire(node: Any, reading: Reading) -> nn.Module:
    one = np.ones_like(node.r, np.float64)
    gain = node.r * reading.seconds(node)
    constants = Constants(beta=one, gain=gain, leak=0 * one, threshold=node.v_threshold, v_reset=node.v_reset)
    return _neurons(constants, reading)


def _leaky(node: Any, reading: Reading) -> nn.Module:
    return _neurons(_leaky_constants(node, node.tau, "tau", reading), reading)


def _current_based(node: Any, reading: Reading) -> nn.Module:
    membrane = vars(_leaky_constants(node, node.tau_mem, "tau_mem", reading))
    share = _share(node.tau_syn, "tau_syn", reading)
    return _neurons(Constants(**membrane | {"alpha": 1 - share, "w_in": node.w_in * share}), reading)


def _neurons(constants: Constants, reading: Reading) -> nn.Module:
    return Integrators(constants) if constants.threshold is None else Neurons(constants, reading.reset, reading.gives)


def _leaky_constants(node: Any, tau: np.ndarray, name: str, reading: Reading) -> Constants:
    share = _share(tau, name, reading)
    threshold, v_reset = (getattr(node, key, None) for key in ("v_threshold", "v_reset"))
    return Constants(1 - share, node.r * share, node.v_leak * share, threshold, v_reset)


def _share(tau: np.ndarray, name: str, reading: Reading) -> np.ndarray:
    """dt/tau, 0..1."""
    dt = DT if reading.dt is None else reading.dt
    share = dt / np.asarray(tau, np.float64)
    if not ((share > 0) & (share <= 1 + 1e-6)).all():
        raise ValueError(f"found {name} down to {np.min(tau):g} s; allowed with steps of dt {dt:g} s is at least that")
    return np.minimum(share, 1)


def _identity(*_: Any) -> nn.Module:
    return nn.Identity()


KINDS: Mapping[str, Callable[[Any, Reading], nn.Module]] = {
    "Input": _identity,
    "Output": _identity,
    "Affine": _biased,
    "Linear": _linear,
    "Conv1d": _convolution(nn.Conv1d, 1),
    "Conv2d": _convolution(nn.Conv2d, 2),
    "Flatten": _flatten,
    "SumPool2d": _sum_pool,
    "AvgPool2d": _average_pool,
    "IF": _integrate_and_fire,
    "LIF": _leaky,
    "LI": _leaky,
    "CubaLIF": _current_based,
    "CubaLI": _current_based,
}
