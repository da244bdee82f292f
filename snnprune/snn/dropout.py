"""Dropout whose mask stays the same over all time steps of a sample."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class MultiStepDropout(nn.Dropout):
    """`torch.nn.Dropout` that can also drop a neuron's spikes at all T steps at once; on one step it is plain torch.

    One draw a neuron and sample instead of T keeps a dropped neuron silent (as SpikingJelly's multi-step Dropout does)
    and saves most of the time that drawing T masks takes.
    """

    def multi_step(self, spikes: Tensor) -> Tensor:
        """Time-major spikes [T, B, ...] with the neurons of each sample kept or dropped as one."""
        if not self.training or self.p == 0:
            return spikes
        return spikes * functional.dropout(torch.ones_like(spikes[0]), self.p)
