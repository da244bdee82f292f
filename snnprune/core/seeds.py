"""Seeds: what makes two runs of the same thing draw the same numbers."""

import operator
from typing import Any

import numpy as np
import torch

from snnprune.core.errors import UserError

MOST = 2**64 - 1  # that torch takes


def derive_seed(*path: int) -> int:
    """A 63-bit seed for one place in the run, such as (seed, level, epoch); different paths give unrelated streams."""
    # The length goes in, too: SeedSequence pads with zeros, so (1,) and (1, 0) would be one.
    words = np.random.SeedSequence((len(path), *path)).generate_state(2, np.uint32)
    return (int(words[0]) << 31) ^ int(words[1])


def require_seed(seed: Any) -> int:
    """`seed` as an int. Raises UserError: it is no whole number of 0 to 2^64 - 1."""
    try:
        found = operator.index(seed)
    except TypeError:
        found = -1
    if not 0 <= found <= MOST:
        raise UserError(f"seed: allowed are whole numbers from 0 to {MOST}; found {seed!r}")
    return found


def seed_everything(*path: int) -> None:
    """Seed torch's global generators for one place in the run; see `derive_seed`."""
    torch.manual_seed(derive_seed(*path))
