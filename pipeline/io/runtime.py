"""Threads, device and seeds of a stage: what makes two runs of it give the same bytes."""

import torch

from pipeline.io.params import Runtime
from snnprune.core.errors import UserError


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
