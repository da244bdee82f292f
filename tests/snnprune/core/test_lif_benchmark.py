"""The benchmark of the fused LIF on a tiny network: that it measures what it says, never how fast that is."""

import pytest
import torch

from benchmarks.lif import make_batch, make_network, measure_agreement, measure_speed
from snnprune.core.params import ModelParams

TINY = ModelParams(layers=[40, 16, 3], threshold=0.3, timesteps=4)


def test_both_forms_agree_and_spike() -> None:
    agreement = measure_agreement(TINY, batch=16)
    assert agreement.spikes_equal
    assert 0.01 < agreement.spike_rate < 0.99
    assert agreement.gradient_error < 1e-5


def test_one_positive_speed_per_repetition() -> None:
    speed = measure_speed(TINY, batch=16, steps=1, repeats=3)
    assert len(speed.fused) == len(speed.loop) == 3
    assert min(speed.fused + speed.loop) > 0
    assert speed.ratios == pytest.approx([fused / loop for fused, loop in zip(speed.fused, speed.loop, strict=True)])


def test_inputs_are_the_same_at_each_call() -> None:
    images, labels = make_batch(TINY, 16)
    assert images.shape == (16, 1, 1, 40)
    assert torch.equal(images, make_batch(TINY, 16)[0])
    assert torch.equal(labels, make_batch(TINY, 16)[1])
    for one, other in zip(make_network(TINY).parameters(), make_network(TINY).parameters(), strict=True):
        assert torch.equal(one, other)
