"""Encodings: shapes, seeds, what each does to a pixel, and equality with snnTorch's spike generators."""

import re
from itertools import product

import pytest
import torch
from snntorch import spikegen
from torch import Tensor

from snnprune.core.encoding import encode, is_constant
from snnprune.core.errors import UserError
from snnprune.core.params import Direct, Encoding, Frames, Latency, ModelParams, NoisyDirect, Rate
from snnprune.core.schema import ParamsError, validate

DIRECT = Direct(name="direct")
NOISY = NoisyDirect(name="noisy_direct", sigma=0.2)
RATE = Rate(name="rate")
LATENCY = Latency(name="latency")


@pytest.fixture
def images() -> Tensor:
    return torch.rand((5, 1, 3, 4), generator=torch.Generator().manual_seed(0))


def test_direct_is_the_image_itself(images: Tensor) -> None:
    assert encode(images, DIRECT, 7) is images
    assert is_constant(DIRECT)


@pytest.mark.parametrize("encoding", [NOISY, RATE, LATENCY], ids=lambda encoding: encoding.name)
def test_others_are_time_major(images: Tensor, encoding: Encoding) -> None:
    encoded = encode(images, encoding, 7, seed=0)
    assert encoded.shape == (7, 5, 1, 3, 4)
    assert encoded.dtype == torch.float32
    assert not is_constant(encoding)
    assert not torch.equal(encoded[0], encoded[1])


@pytest.mark.parametrize("encoding", [DIRECT, NOISY, RATE, LATENCY], ids=lambda encoding: encoding.name)
def test_the_type_stays_that_of_the_images(images: Tensor, encoding: Encoding) -> None:
    assert encode(images.double(), encoding, 7, seed=0).dtype == torch.float64


@pytest.mark.parametrize("encoding", [NOISY, RATE], ids=lambda encoding: encoding.name)
def test_a_seeded_draw_depends_on_its_seed_alone(images: Tensor, encoding: Encoding) -> None:
    torch.manual_seed(1)
    first = encode(images, encoding, 7, seed=5)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(encode(images, encoding, 7, seed=5), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(encode(images, encoding, 7, seed=6), first)


@pytest.mark.parametrize("encoding", [NOISY, RATE], ids=lambda encoding: encoding.name)
def test_without_a_seed_the_global_generator_is_drawn_from(images: Tensor, encoding: Encoding) -> None:
    torch.manual_seed(5)
    first = encode(images, encoding, 7)
    assert not torch.equal(encode(images, encoding, 7), first)
    torch.manual_seed(5)
    assert torch.equal(encode(images, encoding, 7), first)
    assert torch.equal(encode(images, encoding, 7, seed=5), first)


def test_noise_of_its_sigma_is_added_to_the_image_at_each_step_anew(images: Tensor) -> None:
    torch.manual_seed(0)
    expected = images + 0.2 * torch.randn((7, *images.shape))
    assert torch.allclose(encode(images, NOISY, 7, seed=0), expected, atol=1e-7)


def test_rate_spikes_as_often_as_the_pixel_is_bright() -> None:
    images = torch.tensor([0.0, 0.25, 0.75, 1.0]).view(1, 1, 1, 4)
    spikes = encode(images, RATE, 10_000, seed=0)
    assert set(spikes.unique().tolist()) == {0.0, 1.0}
    rates = spikes.mean(0).flatten().tolist()
    # Standard error of 10,000 draws at p = 1/4: 0.0043.
    assert rates == pytest.approx([0, 0.25, 0.75, 1], abs=0.02)
    assert (rates[0], rates[3]) == (0, 1)


def test_rate_is_spikegens(images: Tensor) -> None:
    torch.manual_seed(3)
    expected = spikegen.rate(images, num_steps=7, gain=2.0)  # the brighter half is clipped to 1
    assert torch.equal(encode(images, Rate(name="rate", gain=2.0), 7, seed=3), expected)


@pytest.mark.parametrize(
    "options",
    [
        {"tau": 1.0, "threshold": 0.01, "linear": True, "normalize": True, "clip": True},
        {"tau": 1.0, "threshold": 0.2, "linear": False, "normalize": True, "clip": False},
        {"tau": 3.0, "threshold": 0.1, "linear": True, "normalize": False, "clip": True},
    ],
)
def test_latency_is_spikegens(images: Tensor, options: dict[str, float | bool]) -> None:
    expected = spikegen.latency(images, num_steps=7, **options)
    found = encode(images, Latency(name="latency", **options), 7)
    assert torch.equal(found, expected)
    assert found.sum() > 0


def test_latency_spikes_once_and_earlier_for_brighter_pixels() -> None:
    pixels = torch.tensor([1.0, 0.8, 0.6, 0.3, 0.02, 0.005, 0.0])
    spikes = encode(pixels.view(1, -1), LATENCY, 11)[:, 0]
    # Linear and normalised over 11 steps: round(10 * (1 - pixel)); below the threshold 0.01 no spike at all.
    assert spikes.sum(0).tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert spikes[:, :5].argmax(0).tolist() == [0, 2, 4, 7, 10]


IMAGES = {
    "dark": torch.zeros(2, 1, 3, 3),
    "bright": torch.linspace(0.5, 1, 18).view(2, 1, 3, 3),
    "all": torch.linspace(0, 1, 18).view(2, 1, 3, 3),
    "over": torch.full((2, 1, 3, 3), 1.0000001),  # a rotated image may be that
}


@pytest.mark.parametrize("steps", [1, 2, 4, 30, 1000])
@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
def test_latency_runs_with_all_that_params_allow(steps: int, linear: bool, normalize: bool) -> None:
    """Every pixel spikes once within the steps; what cannot is refused by the params."""
    allowed = 0
    for tau, threshold in product([1e-3, 0.1, 0.24, 0.3, 1.0, 3.0, 29.0, 1000.0], [1e-4, 0.01, 0.5, 0.75, 0.9, 0.99]):
        block = {"name": "latency", "tau": tau, "threshold": threshold, "linear": linear, "normalize": normalize}
        try:
            model = validate(ModelParams, {"layers": [9, 2], "timesteps": steps, "encoding": block}, "model")
        except ParamsError as error:
            assert re.match("model: encoding(.tau: found .*; allowed .* at most| latency needs timesteps)", str(error))
            continue
        allowed += 1
        for images in IMAGES.values():
            encoded = encode(images, model.encoding.model_copy(update={"clip": False}), steps)
            assert encoded.sum(0).eq(1).all(), (tau, threshold)
    assert allowed == (0 if steps == 1 else 48 if normalize else allowed)
    assert allowed or steps == 1


@pytest.mark.parametrize("images", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("encoding", [Rate(name="rate", gain=1000), NoisyDirect(name="noisy_direct", sigma=1000)])
def test_the_others_run_at_their_limits(images: Tensor, encoding: Encoding) -> None:
    assert encode(images, encoding, 1).isfinite().all()


def test_latency_takes_no_random_number(images: Tensor) -> None:
    state = torch.get_rng_state()
    assert torch.equal(encode(images, LATENCY, 7, seed=0), encode(images, LATENCY, 7, seed=1))
    assert torch.equal(torch.get_rng_state(), state)


# Frames of events

FRAMES = Frames(name="frames")


@pytest.fixture
def frames() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 4, (5, 7, 2, 3, 4), generator=generator, dtype=torch.uint8)


def test_frames_are_each_the_input_of_one_step(frames: Tensor) -> None:
    encoded = encode(frames, FRAMES, 7)
    assert encoded.shape == (7, 5, 2, 3, 4) and encoded.dtype == torch.float32
    for step, sample in product(range(7), range(5)):
        assert torch.equal(encoded[step, sample], frames[sample, step].float())
    assert encoded.is_contiguous()
    assert torch.equal(encode(frames.float(), FRAMES, 7), encoded)
    assert not is_constant(FRAMES)


def test_float_frames_stay_where_they_lie(frames: Tensor) -> None:
    values = frames.float()
    assert encode(values, FRAMES, 7).data_ptr() == values.data_ptr()


@pytest.mark.parametrize(("change", "found"), [((5, 6, 2, 3, 4), "5, 6, 2, 3, 4"), ((5, 2, 3, 4), "5, 2, 3, 4")])
def test_frames_of_another_number_of_steps_are_refused(change: tuple[int, ...], found: str) -> None:
    with pytest.raises(UserError, match=rf"takes \[B, 7, C, H, W\].* found \[{found}\]"):
        encode(torch.zeros(change), FRAMES, 7)
