"""Bytes by hand, and against scipy's own compressed rows."""

import torch
from scipy.sparse import csr_matrix

from snnprune.energy.footprint import footprint


def test_by_hand() -> None:
    weight = torch.tensor([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    found = footprint({"w": weight})
    assert found.dense_bytes == 9 * 4
    assert found.csr_bytes == 3 * (4 + 4) + 4 * 4
    assert found.bitmask_bytes == 3 * 4 + 2  # nine bits take two bytes


def test_against_scipy() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = {
        "linear": torch.rand((30, 20), generator=generator) * (torch.rand((30, 20), generator=generator) < 0.1),
        "conv": torch.rand((4, 3, 5, 5), generator=generator) * (torch.rand((4, 3, 5, 5), generator=generator) < 0.3),
    }
    rows = [csr_matrix(weight.flatten(1).numpy()) for weight in weights.values()]
    expected = sum(matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes for matrix in rows)
    assert footprint(weights).csr_bytes == expected
    assert footprint(weights).dense_bytes == sum(weight.numpy().nbytes for weight in weights.values())
