"""Threads, device, dataset and resume points of a stage: what makes two runs of it give the same bytes."""

import ctypes
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.io import paths
from pipeline.io.params import Runtime
from pipeline.io.resume import Resume
from pipeline.io.store import FILE, load_dataset
from snnprune.core.dataset import Dataset
from snnprune.core.errors import UserError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


@dataclass(frozen=True)
class Setting:
    """What a stage computes on and with: the dataset lies on the device."""

    device: torch.device
    dataset: Dataset
    resume: Resume


def set_up(
    stage: str, experiment: str, runtime: Runtime, settings: Mapping[str, Any], inputs: Sequence[Path] = ()
) -> Setting:
    """The setting of a stage; its resume points are those of these settings (blocks) and input files. Raises UserError:
    the device or the dataset is missing, or the dataset damaged."""
    device = configure(runtime)
    folder = paths.data_folder(experiment)
    dataset = load_dataset(folder).to(device)
    everything = {**settings, "threads": runtime.threads, "device": device.type}
    return Setting(device, dataset, Resume(stage, everything, [folder / FILE, *inputs]))


def configure(runtime: Runtime) -> torch.device:
    """Set the CPU threads and return the device to compute on. Raises UserError: `device: cuda` where torch finds no
    CUDA device."""
    torch.set_num_threads(runtime.threads)
    torch.set_flush_denormal(True)  # weight decay takes unused weights to subnormal numbers, which CPUs are slow at
    _keep_memory()
    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise UserError("runtime.device: cuda was asked for, but torch finds no CUDA device; use auto or cpu")
    if runtime.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(runtime.device)


def _keep_memory() -> None:
    """Let the allocator keep what is freed: given back and asked for again at every training step, it would be cleared
    page by page, up to half of a step's time. Of glibc; without effect elsewhere."""
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
