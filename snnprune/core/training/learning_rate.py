"""The learning rate over the steps of a training run."""

import math

from snnprune.core.training.params import FitParams

# torch.optim.lr_scheduler.OneCycleLR's defaults: share of steps that rise, first rate, last rate (as divisors).
RISE = 0.3
START = 25.0
END = START * 1e4


def learning_rate(params: FitParams, step: int, steps: int) -> float:
    """Learning rate of step 0 <= `step` < `steps`, with `params.lr` as the highest.

    `constant`: `lr` at every step. `cosine`: a half cosine from `lr` at the first step down towards 0 after the last.
    `one_cycle`: from lr / 25 up to `lr` over the first 30 % of the steps, then down to lr / 250,000 at the last, half
    cosines; as torch.optim.lr_scheduler.OneCycleLR, whose cycling of the momentum is left out.
    """
    lr = params.lr
    if params.schedule == "constant":
        return lr
    if params.schedule == "cosine":
        return _between(lr, 0.0, step / steps)
    peak = RISE * steps - 1
    if step <= peak:
        return _between(lr / START, lr, step / peak)
    return _between(lr, lr / END, (step - peak) / (steps - 1 - peak))


def _between(first: float, last: float, share: float) -> float:
    """Half a cosine from `first` at share 0 to `last` at share 1."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * share))
