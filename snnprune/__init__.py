"""Pruning of spiking neural networks: build or load one, train, prune, count what it computes.

>>> import snnprune, torch
>>> train = torch.rand(40, 1, 4, 4), torch.arange(40) % 2
>>> net = snnprune.train(snnprune.build([16, 8, 2]), train, training=snnprune.Training(epochs=1))
>>> pruned = snnprune.prune(net, train, method="cqp", level=0.9, finetune=snnprune.Finetune(epochs=1))
>>> pruned.nnz
14

The names below are in `snnprune.api`, loaded when first used, so that a part of the library costs only what it needs.
"""

# ruff: noqa: F403, F405

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snnprune.api import *

__all__ = [
    "Compiled",
    "Criticality",
    "DataError",
    "Distillation",
    "Epoch",
    "Finetune",
    "Mask",
    "Measurement",
    "Progress",
    "Pruned",
    "SpikingNetwork",
    "Split",
    "Training",
    "UserError",
    "accuracy",
    "adapt",
    "build",
    "compensate",
    "compile",
    "count_operations",
    "list_methods",
    "load",
    "load_events",
    "load_idx",
    "prune",
    "save",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'snnprune' has no attribute {name!r}")
    return getattr(importlib.import_module("snnprune.api"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
