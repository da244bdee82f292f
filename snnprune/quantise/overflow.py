"""How large a value of an integer network can become: interval arithmetic over the time steps, row by row."""

import numpy as np

ENOUGH = 1 << 44  # beyond any int32; keeps what grows for thousands of steps from overflowing int64


def scaled(values: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """values * 2^shift, rounded to the next whole number, a half upwards; int64."""
    right = np.maximum(-shift, 0).astype(np.int64)
    return np.where(
        shift >= 0, values << np.maximum(shift, 0).astype(np.int64), (values + ((1 << right) >> 1)) >> right
    )


def largest_value(
    low: np.ndarray,
    high: np.ndarray,
    shift: np.ndarray,
    bias: np.ndarray,
    threshold: np.ndarray,
    multiplier: np.ndarray,
    beta_shift: int,
    to_zero: bool,
    steps: int,
) -> np.ndarray:
    """The largest magnitude of every intermediate result of `snnprune.quantise.integer`'s equations over `steps` time
    steps, for sums anywhere in low..high (int64 [rows], low <= 0 <= high) at every step. int64, shaped as `shift`, as
    which `bias` and `threshold` are: [rows], or [shifts, rows] to try many at once. The decay never falls with the
    membrane, so that the ends of an interval say all; values are cut at 2^44."""
    threshold, multiplier = threshold.astype(np.int64), multiplier.astype(np.int64)
    half = (1 << beta_shift) >> 1

    def decayed(membrane: np.ndarray) -> np.ndarray:
        return (multiplier * membrane + half) >> beta_shift

    rounding = (1 << np.maximum(-shift, 0).astype(np.int64)) >> 1
    before = np.maximum(high, -low) + rounding  # what is shifted to the right
    least, most = scaled(low, shift), scaled(high, shift)
    peak = np.maximum.reduce([before, np.maximum(most, -least), np.abs(bias.astype(np.int64)), threshold])
    least, most = least + bias, most + bias
    lowest, highest = least, most
    for step in range(steps):
        size = np.maximum(np.abs(lowest), np.abs(highest))
        if step < steps - 1:
            peak = np.maximum(peak, multiplier * size + half)
        peak = np.maximum(peak, size)
        fires = highest > threshold
        if to_zero:
            after_low, after_high = 0, 0
        else:
            after_low = decayed(np.maximum(lowest, threshold + 1)) - threshold
            after_high = decayed(highest) - threshold
        silent_high, silent_low = decayed(np.minimum(highest, threshold)), decayed(lowest)
        next_highest = np.where(fires, np.maximum(silent_high, after_high), silent_high) + most
        next_lowest = np.where(fires, np.minimum(silent_low, after_low), silent_low) + least
        next_lowest, next_highest = np.maximum(next_lowest, -ENOUGH), np.minimum(next_highest, ENOUGH)
        if (next_lowest == lowest).all() and (next_highest == highest).all():
            break
        lowest, highest = next_lowest, next_highest
    return np.minimum(peak, ENOUGH)
