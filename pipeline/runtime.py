"""Threads, device and seeds of a stage: what makes two runs of it give the same bytes."""

import numpy as np
import torch

from pipeline.errors import UserError
from pipeline.params import Runtime


def configure(runtime: Runtime) -> torch.device:
    """Set the CPU threads and return the device to compute on.

    Raises:
        UserError: `device: cuda` where torch finds no CUDA device.
    """
    torch.set_num_threads(runtime.threads)
    torch.set_flush_denormal(True)  # weight decay takes unused weights to subnormal numbers, which CPUs are slow at
    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise UserError("runtime.device: cuda was asked for, but torch finds no CUDA device; use auto or cpu")
    if runtime.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(runtime.device)


def derive_seed(*path: int) -> int:
    """A 63-bit seed for one place in the run, such as (seed, level, epoch); different paths give unrelated streams."""
    # The length goes in, too: SeedSequence pads with zeros, so (1,) and (1, 0) would be one.
    words = np.random.SeedSequence((len(path), *path)).generate_state(2, np.uint32)
    return (int(words[0]) << 31) ^ int(words[1])


def seed_everything(*path: int) -> None:
    """Seed torch's global generators for one place in the run; see `derive_seed`."""
    torch.manual_seed(derive_seed(*path))
