"""Images and frames of events as the whole numbers that an integer network takes."""

import numpy as np
import torch
from torch import Tensor

from snnprune.core.encoding import encode
from snnprune.core.errors import DataError, UserError
from snnprune.core.params import Direct, Encoding, Frames, ModelParams, NoisyDirect

INPUT_LEVELS = 255  # a pixel of 1.0: stored images are of eight bits
MOST_EVENTS = 15  # of a value of a frame, four bits; more count as so many


def largest_input(encoding: Encoding) -> int:
    """The largest input: 255 of an image, 15 of a frame of events, 1 of spikes. Raises UserError: `noisy_direct`."""
    if isinstance(encoding, NoisyDirect):
        raise UserError("encoding: noisy_direct has no integer form; allowed are direct, rate, latency and frames")
    return INPUT_LEVELS if isinstance(encoding, Direct) else MOST_EVENTS if isinstance(encoding, Frames) else 1


def integer_inputs(spec: ModelParams, images: Tensor, seed: int | None = None) -> np.ndarray:
    """What goes into the integer network of `spec`, uint8: images [B, C, H, W] in 0..255, or frames [B, T, C, H, W].

    images: [B, C, H, W] in 0..1, or frames [B, T, C, H, W] (counts of events, uint8 or float32). seed: fixes a random
    encoding. Raises DataError: an image is not within 0..1, or counts are not whole numbers from 0. Raises UserError:
    the encoding has no integer form.
    """
    most = largest_input(spec.encoding)
    images = images.cpu()
    if isinstance(spec.encoding, Direct):
        if images.min() < 0 or images.max() > 1:
            raise DataError(f"images: allowed are 0 to 1; found {images.min():g} to {images.max():g}")
        return (images * INPUT_LEVELS).round().to(torch.uint8).numpy()
    frames = encode(images, spec.encoding, spec.timesteps, seed).movedim(0, 1)
    if (frames < 0).any() or (frames != frames.round()).any():
        raise DataError("frames: allowed are counts of events, whole numbers from 0; found others")
    return frames.clamp(max=most).to(torch.uint8).contiguous().numpy()
