"""Augmentation: off at zero, shifts by whole pixels, rotations that keep the picture, all from the seed."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor

from snnprune.core.dataset import Split
from snnprune.core.training.batch import displacements, make_batch
from snnprune.core.training.params import Augment, Elastic


def augment(images: Tensor, params: Augment) -> Tensor:
    """A batch of all images, in their order; the same in rows."""
    count = len(images)
    split, state = Split(images, torch.zeros(count, dtype=torch.long)), torch.get_rng_state()
    in_rows = make_batch(split, torch.arange(count), params, in_rows=True).images
    torch.set_rng_state(state)
    found = make_batch(split, torch.arange(count), params).images
    assert torch.equal(found, in_rows)
    return found


def one_pixel(count: int, height: int, width: int, row: int, column: int) -> Tensor:
    images = torch.zeros(count, 1, height, width)
    images[:, 0, row, column] = 1.0
    return images


@pytest.mark.parametrize("in_rows", [True, False])
@pytest.mark.parametrize("shape", [(4,), (2, 2), (1, 2, 2)])
def test_samples_of_any_shape_are_chosen(shape: tuple[int, ...], in_rows: bool) -> None:
    images, rows = torch.rand(5, *shape), torch.tensor([4, 0, 0])
    found = make_batch(Split(images, torch.arange(5)), rows, Augment(), in_rows)
    assert torch.equal(found.images, images[rows]) and torch.equal(found.labels, rows)


def test_zero_changes_and_draws_nothing() -> None:
    images = torch.rand(3, 1, 4, 4)
    state = torch.get_rng_state()
    assert torch.equal(augment(images, Augment()), images)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("height", "width"), [(9, 9), (7, 12)])
def test_a_shift_moves_a_pixel_by_whole_pixels(height: int, width: int) -> None:
    torch.manual_seed(0)
    shifted = augment(one_pixel(400, height, width, 3, 4), Augment(shift=2))
    positions = set()
    for image in shifted[:, 0]:
        row, column = divmod(image.argmax().item(), width)
        assert image[row, column].item() == pytest.approx(1, abs=1e-5)
        assert image.sum().item() == pytest.approx(1, abs=1e-5)
        positions.add((row, column))
    assert positions == {(row, column) for row in range(1, 6) for column in range(2, 7)}


def test_what_is_shifted_out_is_gone() -> None:
    torch.manual_seed(0)
    sums = augment(one_pixel(100, 5, 5, 0, 2), Augment(shift=1)).sum((1, 2, 3)).round()
    assert set(sums.tolist()) == {0.0, 1.0}


def test_all_channels_move_together() -> None:
    torch.manual_seed(0)
    images = torch.rand(10, 1, 6, 6)
    moved = augment(images.repeat(1, 3, 1, 1), Augment(shift=2, rotation=30.0))
    assert moved.shape == (10, 3, 6, 6)
    assert torch.equal(moved[:, 0], moved[:, 1])
    assert torch.equal(moved[:, 0], moved[:, 2])
    assert not torch.equal(moved[:, 0], images[:, 0])


def disc(height: int, width: int, radius: float) -> Tensor:
    """A centred disc with a soft edge, [1, 1, H, W]."""
    rows = torch.arange(height)[:, None] - (height - 1) / 2
    columns = torch.arange(width)[None] - (width - 1) / 2
    return (radius + 0.5 - (rows**2 + columns**2).sqrt()).clamp(0, 1)[None, None]


@pytest.mark.parametrize(("height", "width"), [(21, 21), (21, 33)])
def test_a_rotation_keeps_a_centred_disc(height: int, width: int) -> None:
    torch.manual_seed(0)
    picture = disc(height, width, 6.0)
    rotated = augment(picture.repeat(50, 1, 1, 1), Augment(rotation=90.0))
    assert (rotated.sum((1, 2, 3)) / picture.sum() - 1).abs().max() < 0.01
    assert (rotated - picture).abs().max() < 0.2  # the edge, interpolated
    assert not torch.equal(rotated[0], rotated[1])


def test_a_rotation_stays_within_its_angle_on_either_side() -> None:
    torch.manual_seed(0)
    height, width, distance = 31, 41, 10
    images = one_pixel(300, height, width, 15, 20 + distance)
    rotated = augment(images, Augment(rotation=45.0))[:, 0]
    mass = rotated.sum((1, 2))
    rows = (rotated.sum(2) * (torch.arange(height) - 15)).sum(1) / mass
    columns = (rotated.sum(1) * (torch.arange(width) - 20)).sum(1) / mass
    # The pixel stays on its circle, and the draws fill the angles from -45 to 45 degrees.
    assert ((rows**2 + columns**2).sqrt() - distance).abs().max() < 0.75
    angles = torch.atan2(rows, columns).rad2deg()
    assert angles.min() == pytest.approx(-45, abs=5)
    assert angles.max() == pytest.approx(45, abs=5)


def test_a_quarter_turn_of_a_square_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", torch.ones)  # the largest angle: 2 * 1 - 1 = 1 times `rotation`
    images = torch.arange(25.0).view(1, 1, 5, 5) / 24
    turned = augment(images, Augment(rotation=90.0))
    assert torch.allclose(turned, images.rot90(1, (2, 3)), atol=1e-5)


def test_the_angle_is_in_degrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", torch.ones)
    images = one_pixel(1, 41, 41, 20, 30)
    rotated = augment(images, Augment(rotation=30.0))[0, 0]
    row, column = divmod(rotated.argmax().item(), 41)
    # 10 right of the centre, turned by 30 degrees: 10 cos 30 = 8.66 right and 10 sin 30 = 5 up.
    assert (row - 20, column - 20) == (-round(10 * math.sin(math.pi / 6)), round(10 * math.cos(math.pi / 6)))


def test_draws_come_from_the_global_seed() -> None:
    images = torch.rand(20, 1, 8, 8)
    params = Augment(shift=2, rotation=15.0)

    def drawn(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return augment(images, params)

    assert torch.equal(drawn(3), drawn(3))
    assert not torch.equal(drawn(3), drawn(4))


def test_displacements_are_a_smoothed_uniform_field() -> None:
    """Against scipy's Gaussian filter of the same draw."""
    params = Elastic(alpha=7.0, sigma=1.5)
    torch.manual_seed(3)
    found = displacements(params, 2, 9, 12)
    torch.manual_seed(3)
    drawn = (torch.rand(4, 1, 9, 12) * 2 - 1).view(2, 2, 9, 12).numpy()
    smooth = gaussian_filter(drawn, params.sigma, mode="constant", radius=5, axes=(2, 3))
    assert np.allclose(found.numpy(), params.alpha * smooth.transpose(0, 2, 3, 1), atol=1e-5)


def test_an_elastic_distortion_moves_pixels_by_the_field_and_each_image_by_its_own() -> None:
    params = Augment(elastic=Elastic(alpha=20.0, sigma=3.0))
    torch.manual_seed(5)
    moved = augment(disc(15, 15, 4).repeat(2, 1, 1, 1), params)
    torch.manual_seed(5)
    field = displacements(params.elastic, 2, 15, 15)
    grid = np.meshgrid(np.arange(15.0), np.arange(15.0), indexing="ij")
    for image, by in zip(moved, field.numpy(), strict=True):
        places = [grid[0] + by[..., 1], grid[1] + by[..., 0]]
        expected = map_coordinates(disc(15, 15, 4)[0, 0].numpy(), places, order=1, cval=0.0)
        assert np.allclose(image[0].numpy(), expected, atol=1e-4)
    assert not torch.equal(moved[0], moved[1])
