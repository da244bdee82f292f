"""A network whose weights are rounded, in whole numbers (`snnprune.quantise.integer`)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from snnprune.core.encoding import is_constant
from snnprune.core.errors import UserError
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork
from snnprune.quantise.inputs import INPUT_LEVELS, largest_input
from snnprune.quantise.integer import INT32, Csr, IntegerLayer, IntegerNetwork, Kernel
from snnprune.quantise.overflow import ENOUGH, largest_value
from snnprune.quantise.rounding import Per, rounded

BETA_BITS = 12  # beta is off by 1 / 8192 at most; more would leave fewer bits to the membrane
SHIFTS = range(24, -25, -1)  # of the currents: the finest unit of the membrane that cannot overflow is taken


@dataclass(frozen=True)
class _Neurons:
    """beta, threshold: float64 [rows]."""

    beta: np.ndarray
    threshold: np.ndarray
    to_zero: bool


def to_integer(network: SpikingNetwork, scales: Mapping[str, Tensor], bits: int, per: Per) -> IntegerNetwork:
    """The integer network of one whose weights are rounded by their rows' `scales` (name -> [rows]). Raises UserError:
    a layer, neuron or encoding that has no integer form, or a value that would overflow 32 bits."""
    spec, layers = network.spec, []
    most, levels = largest_input(spec.encoding), INPUT_LEVELS if is_constant(spec.encoding) else 1
    modules = [(n, m) for n, m in enumerate(network.layers) if not isinstance(m, nn.Flatten | nn.Dropout)]
    while modules:
        (number, module), *modules = modules
        name = f"layers.{number}.weight"
        pool, modules = _pool(modules) if isinstance(module, nn.Conv2d) else (1, modules)
        if not isinstance(module, nn.Linear | nn.Conv2d) or not modules:
            raise _no_form(number, module)
        (after, leaky), *modules = modules
        whole = rounded(module.weight.detach(), scales[name], bits).numpy().astype(np.int8)
        synapses = _csr(whole) if isinstance(module, nn.Linear) else _kernel(number, module, whole, pool)
        neurons = _neurons(after, leaky, len(whole))
        bias = np.zeros(len(whole)) if module.bias is None else module.bias.detach().double().numpy()
        first = (most, levels) if not layers else (1, 1)
        layers.append(_layer(name, synapses, scales[name].numpy(), bias, neurons, *first, spec.timesteps, per))
    return IntegerNetwork(
        tuple(layers), bits, spec.timesteps, "direct" if is_constant(spec.encoding) else "frames",
        spec.architecture.input_shape, levels, most,
    )  # fmt: skip


def _layer(
    name: str, synapses: Csr | Kernel, scale: np.ndarray, bias: np.ndarray, neurons: _Neurons, most: int, levels: int,
    steps: int, per: Per,
) -> IntegerLayer:  # fmt: skip
    """The layer with the finest unit of the membrane that cannot overflow, of each row or of all together."""
    multiplier, beta_shift = _fixed_point(neurons.beta)
    low, high = (total * most for total in synapses.sums())

    def at(shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bias and threshold in the unit of the membrane."""
        unit = scale / levels * 2.0**-shift
        return tuple(np.rint(v / unit).clip(-ENOUGH, ENOUGH).astype(np.int64) for v in (bias, neurons.threshold))

    def fits(shift: np.ndarray) -> np.ndarray:
        whole = at(shift)
        found = largest_value(low, high, shift, *whole, multiplier, beta_shift, neurons.to_zero, steps)
        return (found <= INT32) & (whole[1] > 0)

    tried = np.stack([fits(np.full(len(scale), shift)) for shift in SHIFTS])
    if per == "layer":
        tried[:] = tried.all(1, keepdims=True)
    if not tried.any(0).all():
        raise UserError(
            f"{name}: no unit of the membrane of row {int(np.argmin(tried.any(0)))} keeps its threshold above 0 and "
            f"{steps} time steps within 32 bits; more bits, or rounding per row, may"
        )
    shift = SHIFTS[0] - tried.argmax(0)
    arrays = (values.astype(np.int32) for values in (shift, *at(shift), multiplier))
    return IntegerLayer(name, synapses, scale, *arrays, beta_shift, neurons.to_zero)


def _fixed_point(beta: np.ndarray) -> tuple[np.ndarray, int]:
    """beta [rows] as multiplier / 2^shift, in lowest terms: 1 is 1 / 2^0."""
    multiplier, shift = np.rint(beta * 2**BETA_BITS).astype(np.int64), BETA_BITS
    while shift and not (multiplier % 2).any():
        multiplier, shift = multiplier // 2, shift - 1
    return multiplier, shift


def _csr(whole: np.ndarray) -> Csr:
    rows, columns = whole.nonzero()
    starts = np.concatenate([[0], np.bincount(rows, minlength=len(whole)).cumsum()]).astype(np.uint32)
    index = np.promote_types(np.uint16, np.min_scalar_type(whole.shape[1] - 1))
    return Csr(whole.shape[1], starts, columns.astype(index), whole[rows, columns])


def _kernel(number: int, conv: nn.Conv2d, whole: np.ndarray, pool: int) -> Kernel:
    plain = conv.groups == 1 and conv.dilation == (1, 1) and conv.padding_mode == "zeros"
    if not plain or isinstance(conv.padding, str):
        raise _no_form(number, conv)
    return Kernel(whole, conv.stride, conv.padding, pool)


def _pool(modules: list[tuple[int, nn.Module]]) -> tuple[int, list[tuple[int, nn.Module]]]:
    """The size of the max-pooling that comes first, and what comes after it; 1 and all where there is none."""
    if not modules or not isinstance(pool := modules[0][1], nn.MaxPool2d):
        return 1, modules
    if not isinstance(pool.kernel_size, int) or pool.stride != pool.kernel_size or pool.padding or pool.ceil_mode:
        raise _no_form(*modules[0])
    return pool.kernel_size, modules[1:]


def _neurons(number: int, leaky: nn.Module, rows: int) -> _Neurons:
    if not isinstance(leaky, MultiStepLeaky) or leaky.reset_mechanism not in ("subtract", "zero"):
        raise _no_form(number, leaky)
    numbers = []
    for value in (leaky.beta, leaky.threshold):
        if value.numel() not in (1, rows):
            raise _no_form(number, leaky)
        numbers.append(torch.as_tensor(value).detach().double().reshape(-1).expand(rows).numpy())
    return _Neurons(*numbers, leaky.reset_mechanism == "zero")


def _no_form(number: int, module: nn.Module) -> UserError:
    return UserError(
        f"layers.{number}: {module} has no integer form; allowed are Linear, or Conv2d (one group, no dilation, zeros "
        "around) with MaxPool2d of squares that do not overlap, each followed by Leaky neurons that reset by "
        "subtraction or to zero, with one beta and threshold or one for each row of the weight"
    )
