"""Turns images, or frames of events, into the network's input over time: a constant current or a time-major tensor."""

import torch
from snntorch import spikegen
from torch import Tensor

from snnprune.core.errors import UserError
from snnprune.core.params import Direct, Encoding, Frames, Latency, NoisyDirect, Rate


def is_constant(encoding: Encoding) -> bool:
    """True when the input is the same at every step, so that its first product is computed once, not T times."""
    return isinstance(encoding, Direct)


def analogue_steps(encoding: Encoding, values: Tensor, constant: bool, steps: int) -> Tensor:
    """At which steps each sample's input is a current, not spikes: bool [T, B], for encoded values [T, B, ...] or a
    `constant` [B, ...]. The encoding says so; of frames the values do, as NeuroBench looks at them: one that is none of
    0, 1 and -1, such as a count of 2, makes its step analogue."""
    if isinstance(encoding, Frames):
        return ((values != 0) & (values.abs() != 1)).flatten(2).any(2)
    is_current = isinstance(encoding, Direct | NoisyDirect)
    return torch.full((steps, len(values) if constant else values.shape[1]), is_current, device=values.device)


def encode(images: Tensor, encoding: Encoding, steps: int, seed: int | None = None) -> Tensor:
    """Encode images [B, ...] in 0..1, or frames [B, T, C, H, W] (counts), for `steps` time steps. Returns [B, ...] for
    `direct` (a constant current), else [T, B, ...]. With `seed` the draw depends on it alone and leaves torch's global
    generators untouched; without, it comes from them. Raises UserError: frames are not of `steps` steps."""
    if isinstance(encoding, Direct):
        return images
    if isinstance(encoding, Frames):
        return _time_major(images, steps)
    if isinstance(encoding, Latency):
        images = images.clamp(0, 1)  # a rotated image may pass 1 by a rounding error, which spikegen refuses
        spikes = spikegen.latency(images, num_steps=steps, **encoding.model_dump(exclude={"name"}))
        return spikes.to(images.dtype)  # spikegen's are float32
    if seed is None:
        return _draw(images, encoding, steps)
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        return _draw(images, encoding, steps)


def _time_major(frames: Tensor, steps: int) -> Tensor:
    """Frames [B, T, C, H, W] as float32 [T, B, C, H, W]; float32 ones stay where they lie in memory."""
    if frames.dim() != 5 or frames.shape[1] != steps:
        raise UserError(
            f"frames: the network takes [B, {steps}, C, H, W], as many frames as its timesteps; found "
            f"{list(frames.shape)}"
        )
    values = frames.transpose(0, 1)
    return values if values.is_floating_point() else values.to(torch.float32, memory_format=torch.contiguous_format)


def _draw(images: Tensor, encoding: NoisyDirect | Rate, steps: int) -> Tensor:
    if isinstance(encoding, Rate):
        # torch draws in the order of memory
        return spikegen.rate(images.contiguous(), num_steps=steps, gain=encoding.gain)
    noise = torch.randn((steps, *images.shape), dtype=images.dtype, device=images.device)
    return noise.mul_(encoding.sigma).add_(images)
