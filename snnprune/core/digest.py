"""A digest of values and tensors: the same for equal ones alone."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def digest_of(about: object, tensors: Mapping[str, Tensor]) -> str:
    """Hexadecimal BLAKE2b of `about`, by its `repr`, and of the tensors' names, types, shapes and bytes."""
    digest = hashlib.blake2b(repr(about).encode(), digest_size=16)
    for name, tensor in tensors.items():
        digest.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
