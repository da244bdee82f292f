"""Drops events that stand alone in space and time."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def connected(t: NDArray[np.int64], x: NDArray, y: NDArray, window_us: float) -> NDArray[np.bool_]:
    """Which events [n] have an earlier one at the pixel left, right, above or below, less than `window_us` before
    (times in microseconds, in order). Event by event as tonic's `Denoise`, so also: an event at a time below
    `window_us` counts as connected if it has any such pixel within the recording's largest x and y."""
    return _connected(t, x, y, float(window_us))


@njit(cache=True, nogil=True)
def _connected(t, x, y, window_us):
    width, height = np.int64(x.max()) + 1, np.int64(y.max()) + 1
    until = np.full((width, height), window_us)  # an event at the pixel connects its neighbours until then
    kept = np.zeros(len(t), np.bool_)
    for i in range(len(t)):
        column, row, now = np.int64(x[i]), np.int64(y[i]), t[i]
        until[column, row] = now + window_us
        kept[i] = (
            (column > 0 and until[column - 1, row] > now)
            or (column < width - 1 and until[column + 1, row] > now)
            or (row > 0 and until[column, row - 1] > now)
            or (row < height - 1 and until[column, row + 1] > now)
        )
    return kept
