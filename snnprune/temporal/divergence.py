"""How far the class distribution after t steps is from the one after all T: which steps add nothing."""

import math

import torch
from torch import Tensor


def log_distributions(spikes: Tensor) -> Tensor:
    """log p_t [T, N, classes], p_t = softmax of the spike counts up to step t, from spikes [T, N, classes]."""
    return spikes.double().cumsum(0).log_softmax(2)


def kl_by_step(spikes: Tensor) -> Tensor:
    """KL_t = mean over samples of KL(p_T || p_t) in nats, [T]; the last is 0. Spikes are [T, N, classes]."""
    logs = log_distributions(spikes)
    return (logs[-1].exp() * (logs[-1] - logs)).sum(2).mean(1)


def kl_of_mean_by_step(spikes: Tensor) -> Tensor:
    """The form of the paper author's code, in nats [T]: KL between the distributions averaged over all samples first.
    Samples of different classes cancel in that average, so it is never larger than `kl_by_step`, and can be near 0
    while single samples still change their class."""
    logs = log_distributions(spikes)
    means = logs.exp().mean(1)
    # A mean that underflows to 0 has a logarithm all the same; times itself that is 0.
    log_means = torch.where(means > 0, means.log(), logs.logsumexp(1) - math.log(logs.shape[1]))
    return (means[-1] * (log_means[-1] - log_means)).sum(1)


def authors_steps(kl_of_mean: Tensor, share: float = 0.95) -> int:
    """Where the paper author's code stops: the first step up to which KL [T] adds up to `share` of its whole sum."""
    cumulated = kl_of_mean.cumsum(0)
    return int(torch.nonzero(cumulated >= share * cumulated[-1] - 1e-12)[0]) + 1


def enough_steps(kl: Tensor, accuracy: Tensor, epsilon: float, delta: float) -> int:
    """T': the smallest t with KL_t <= epsilon and accuracy_t >= accuracy_T - delta, both [T], of validation samples. It
    is T at the latest, where KL is 0."""
    fits = (kl <= epsilon) & (accuracy >= accuracy[-1] - delta)
    fits[-1] = True
    return int(torch.nonzero(fits)[0]) + 1
