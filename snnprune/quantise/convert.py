"""A chain of layers whose weights are rounded, in whole numbers (`snnprune.quantise.integer`)."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from snnprune.core.encoding import is_constant
from snnprune.core.errors import UserError
from snnprune.quantise.chain import Chain, ChainLayer
from snnprune.quantise.inputs import INPUT_LEVELS, largest_input
from snnprune.quantise.integer import INT32, Csr, IntegerLayer, IntegerNetwork, Kernel
from snnprune.quantise.overflow import ENOUGH, largest_value
from snnprune.quantise.rounding import Per, rounded, scales

BETA_BITS = 12  # beta is off by 1 / 8192 at most; more would leave fewer bits to the membrane
SHIFTS = range(24, -25, -1)  # of the currents: the finest unit of the membrane that cannot overflow is taken


def to_integer(chain: Chain, by_name: Mapping[str, Tensor], bits: int, per: Per) -> IntegerNetwork:
    """The integer network of a chain whose weights are rounded by their rows' scales (weight's name -> [rows]). Raises
    UserError: an encoding that has no integer form, or a value that would overflow 32 bits."""
    layers, constant = [], is_constant(chain.encoding)
    most, levels = largest_input(chain.encoding), INPUT_LEVELS if constant else 1
    for layer in chain.layers:
        first = (most, levels) if not layers else (1, 1)
        layers.append(_integer(layer, by_name[layer.name], bits, *first, chain.timesteps, per))
    return IntegerNetwork(
        tuple(layers), bits, chain.timesteps, "direct" if constant else "frames", chain.input_shape, levels, most
    )


def rounded_chain(chain: Chain, bits: int, per: Per = "row") -> IntegerNetwork:
    """The integer network of a chain with weights of `bits` bits, 8 or 4, rounded as they are. Raises UserError: as
    `to_integer`."""
    return to_integer(chain, {layer.name: scales(layer.weight, bits, per) for layer in chain.layers}, bits, per)


def _integer(
    layer: ChainLayer, by_row: Tensor, bits: int, most: int, levels: int, steps: int, per: Per
) -> IntegerLayer:
    """The layer with the finest unit of the membrane that cannot overflow, of each row or of all together."""
    whole, scale = rounded(layer.weight, by_row, bits).numpy().astype(np.int8), by_row.numpy()
    synapses = _csr(whole) if whole.ndim == 2 else Kernel(whole, layer.stride, layer.padding, layer.pool)
    multiplier, beta_shift = _fixed_point(layer.beta)
    low, high = (total * most for total in synapses.sums())

    def at(shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bias and threshold in the unit of the membrane."""
        unit = scale / levels * 2.0**-shift
        return tuple(np.rint(v / unit).clip(-ENOUGH, ENOUGH).astype(np.int64) for v in (layer.bias, layer.threshold))

    def fits(shift: np.ndarray) -> np.ndarray:
        whole = at(shift)
        found = largest_value(low, high, shift, *whole, multiplier, beta_shift, layer.to_zero, steps)
        return (found <= INT32) & (whole[1] > 0)

    tried = fits(np.repeat(np.array(SHIFTS)[:, None], len(scale), axis=1))  # all at once: [shifts, rows]
    if per == "layer":
        tried[:] = tried.all(1, keepdims=True)
    if not tried.any(0).all():
        raise UserError(
            f"{layer.name}: no unit of the membrane of row {int(np.argmin(tried.any(0)))} keeps its threshold above 0 "
            f"and {steps} time steps within 32 bits; more bits, or rounding per row, may"
        )
    shift = SHIFTS[0] - tried.argmax(0)
    arrays = (values.astype(np.int32) for values in (shift, *at(shift), multiplier))
    return IntegerLayer(layer.name, synapses, scale, *arrays, beta_shift, layer.to_zero)


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
