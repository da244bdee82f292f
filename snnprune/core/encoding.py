"""Turns images into the network's input over time: a constant current or a time-major tensor."""

import torch
from snntorch import spikegen
from torch import Tensor

from snnprune.core.params import Direct, Encoding, Latency, NoisyDirect, Rate


def is_constant(encoding: Encoding) -> bool:
    """True when the input is the same at every step, so that its first product is computed once, not T times."""
    return isinstance(encoding, Direct)


def is_analogue(encoding: Encoding) -> bool:
    """True when the input is a current, not spikes."""
    return isinstance(encoding, Direct | NoisyDirect)


def encode(images: Tensor, encoding: Encoding, steps: int, seed: int | None = None) -> Tensor:
    """Encode images [B, ...] in 0..1 for `steps` time steps. Returns [B, ...] for `direct` (a constant current), else
    [T, B, ...]. With `seed` the draw depends on it alone and leaves torch's global generators untouched; without, it
    comes from them."""
    if isinstance(encoding, Direct):
        return images
    if isinstance(encoding, Latency):
        images = images.clamp(0, 1)  # a rotated image may pass 1 by a rounding error, which spikegen refuses
        return spikegen.latency(images, num_steps=steps, **encoding.model_dump(exclude={"name"}))
    if seed is None:
        return _draw(images, encoding, steps)
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        return _draw(images, encoding, steps)


def _draw(images: Tensor, encoding: NoisyDirect | Rate, steps: int) -> Tensor:
    if isinstance(encoding, Rate):
        # torch draws in the order of memory
        return spikegen.rate(images.contiguous(), num_steps=steps, gain=encoding.gain)
    noise = torch.randn((steps, *images.shape), dtype=images.dtype, device=images.device)
    return noise.mul_(encoding.sigma).add_(images)
