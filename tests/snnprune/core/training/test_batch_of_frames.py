"""Batches of frames of events: moved in space and time as brute force moves them, and how they lie in memory."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from snnprune.core.dataset import Split
from snnprune.core.training.batch import Batch, gathered, indexed, make_batch
from snnprune.core.training.params import Augment

STEPS, CHANNELS, HEIGHT, WIDTH = 5, 2, 4, 6


def frames(count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.poisson(torch.full((count, STEPS, CHANNELS, HEIGHT, WIDTH), 0.8), generator=generator).byte()


def batch(samples: Tensor, augment: Augment, rows: list[int], seed: int = 0) -> Batch:
    torch.manual_seed(seed)
    return make_batch(Split(samples, torch.arange(len(samples))), torch.tensor(rows), augment)


def brute_force(samples: Tensor, rows: Tensor, shift: Tensor) -> Tensor:
    """Every value where it came from, 0 from outside."""
    out = torch.zeros((len(rows), STEPS, CHANNELS, HEIGHT, WIDTH))
    for b, (row, (down, right, later)) in enumerate(zip(rows.tolist(), shift.tolist(), strict=True)):
        for t, y, x in torch.cartesian_prod(*map(torch.arange, (STEPS, HEIGHT, WIDTH))).tolist():
            if 0 <= t + later < STEPS and 0 <= y + down < HEIGHT and 0 <= x + right < WIDTH:
                out[b, t, :, y, x] = samples[row, t + later, :, y + down, x + right]
    return out


@pytest.mark.parametrize("move", [gathered, indexed])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_every_shift_is_that_of_brute_force(move: Callable[..., Tensor], kind: torch.dtype) -> None:
    shift = torch.cartesian_prod(torch.arange(-3, 4), torch.arange(-3, 4), torch.arange(-4, 5))
    rows, samples = torch.arange(len(shift)) % 3, frames()
    found = move(samples.to(kind), rows, shift)
    assert found.dtype == torch.float32
    assert torch.equal(found, brute_force(samples, rows, shift))


def test_frames_in_float64_stay_so() -> None:
    found = batch(frames().double(), Augment(shift=1, jitter=1), [0, 1, 2])
    assert found.images.dtype == torch.float64
    assert torch.equal(found.images, batch(frames(), Augment(shift=1, jitter=1), [0, 1, 2]).images.double())


@pytest.mark.parametrize(("in_rows", "order"), [(True, (2, 3, 4, 1, 0)), (False, (1, 0, 2, 3, 4))])
def test_a_batch_lies_as_the_first_layer_reads_it(in_rows: bool, order: tuple[int, ...]) -> None:
    rows = torch.tensor([2, 0, 1, 1])
    found = make_batch(Split(frames(), torch.arange(3)), rows, Augment(), in_rows).images
    assert found.shape == (4, STEPS, CHANNELS, HEIGHT, WIDTH)
    assert found.permute(order).is_contiguous()
    assert torch.equal(found, frames()[rows].float())


def test_jitter_by_hand() -> None:
    """One event in each frame, as many as its number: a recording that begins one step later begins with no event."""
    samples = torch.zeros((1, STEPS, 1, 2, 2), dtype=torch.uint8)
    samples[0, :, 0, 1, 1] = torch.arange(1, STEPS + 1)
    found = batch(samples, Augment(jitter=1), [0] * 60)
    seen = {tuple(counts) for counts in found.images[:, :, 0, 1, 1].tolist()}
    assert seen == {(1, 2, 3, 4, 5), (2, 3, 4, 5, 0), (0, 1, 2, 3, 4)}
    assert found.images.sum() == found.images[:, :, 0, 1, 1].sum()
    assert set(found.shift[:, 2].tolist()) == {-1, 0, 1} and not found.shift[:, :2].any()


def test_all_frames_of_a_recording_are_shifted_alike() -> None:
    samples = torch.zeros((1, STEPS, CHANNELS, HEIGHT, WIDTH), dtype=torch.uint8)
    samples[..., 2, 3] = 7
    found = batch(samples, Augment(shift=1), [0] * 60).images
    assert (found == found[:, :1, :1]).all()
    places = {divmod(image.argmax().item(), WIDTH) for image in found[:, 0, 0]}
    assert places == {(y, x) for y in (1, 2, 3) for x in (2, 3, 4)}


def test_shifts_of_still_images_do_not_depend_on_jitter_being_there() -> None:
    """The draws of a recipe stay what they were before events came."""
    images = torch.rand(30, 1, 8, 8)
    torch.manual_seed(3)
    expected = torch.zeros((30, 2), dtype=torch.long).random_(-2, 3)
    found = batch(images, Augment(shift=2), list(range(30)), seed=3)
    assert torch.equal(found.shift[:, :2], expected) and not found.shift[:, 2].any()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_gives_the_same_bytes_for_any_number_of_threads(seed: int) -> None:
    augment, rows = Augment(shift=2, jitter=3), [0, 1, 2] * 30
    alone = batch(frames(), augment, rows, seed)
    torch.set_num_threads(4)
    assert torch.equal(batch(frames(), augment, rows, seed).images, alone.images)
    assert not torch.equal(batch(frames(), augment, rows, seed + 1).images, alone.images)
