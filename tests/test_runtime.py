"""Threads, device and seeds: set as asked, refused where impossible, and fixed for good."""

from collections.abc import Iterator

import pytest
import torch

from pipeline.io.params import Runtime
from pipeline.io.runtime import configure
from snnprune.core.errors import UserError
from snnprune.core.seeds import derive_seed, seed_everything

SUBNORMAL = 1e-40


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Torch's settings of this process, put back after each test."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_are_set_as_asked(threads: int) -> None:
    configure(Runtime(threads=threads, device="cpu"))
    assert torch.get_num_threads() == threads


def test_subnormal_numbers_are_flushed() -> None:
    torch.set_flush_denormal(False)
    assert torch.tensor([SUBNORMAL]).mul(0.5).item() > 0
    configure(Runtime(device="cpu"))
    assert torch.tensor([SUBNORMAL]).mul(0.5).item() == 0


@pytest.mark.parametrize("there_is_cuda", [True, False])
def test_auto_is_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch, there_is_cuda: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there_is_cuda)
    assert configure(Runtime(device="auto")) == torch.device("cuda" if there_is_cuda else "cpu")
    assert configure(Runtime(device="cpu")) == torch.device("cpu")
    if there_is_cuda:
        assert configure(Runtime(device="cuda")) == torch.device("cuda")
    else:
        with pytest.raises(UserError, match="^runtime.device: cuda was asked for"):
            configure(Runtime(device="cuda"))


def test_seeds_never_change() -> None:
    # numpy promises to keep what a SeedSequence gives; results of earlier runs hang on it.
    seeds = [derive_seed(0), derive_seed(0, 1), derive_seed(2, 1, 7)]
    assert seeds == [3941715100300054245, 7989824608418557950, 3466599579054444964]


def test_every_path_has_a_seed_of_its_own() -> None:
    paths = [(first, second, third) for first in range(10) for second in range(10) for third in range(1, 10)]
    seeds = {derive_seed(*path) for path in paths}
    assert len(seeds) == len(paths)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(1, 2) != derive_seed(2, 1)
    assert derive_seed(1, 2) != derive_seed(12)
    assert derive_seed(1) != derive_seed(1, 0)  # numpy pads with zeros


def test_seed_everything_fixes_torchs_draws() -> None:
    draws = []
    for path in ((3, 1), (3, 1), (3, 2)):
        seed_everything(*path)
        draws.append(torch.rand(4))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
