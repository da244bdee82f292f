"""Settings of a training run that do not fit its data: refused with key, found and allowed, or what they mean."""

from typing import Any

import pytest
import snntorch
import torch
from torch import Tensor, nn

import snnprune
from snnprune.core.errors import UserError
from snnprune.core.training.loss import Loss

FRAMES = torch.zeros((40, 4, 2, 3, 4), dtype=torch.uint8)
IMAGES, LABELS = torch.rand((40, 1, 4, 6), generator=torch.Generator().manual_seed(0)), torch.arange(40) % 2

ELASTIC = {"alpha": 8.0, "sigma": 2.0}


def weights(images: Tensor = IMAGES, **training: Any) -> Tensor:
    """Those of the first layer, trained for an epoch."""
    encoding = "frames" if images.dim() == 5 else "direct"
    net = snnprune.build([24, 8, 2], timesteps=4, encoding={"name": encoding})
    trained = snnprune.train(net, (images, LABELS), training=snnprune.Training(**{"epochs": 1, **training}))
    return trained.layers[1].weight


@pytest.mark.parametrize(
    ("images", "training", "message"),
    [
        (IMAGES, {"augment": {"shift": 4}}, "augment.shift: found 4; allowed for images of 4 x 6 is at most 3"),
        (IMAGES.view(40, 1, 1, 24), {"augment": {"shift": 1}}, "augment.shift: found 1; .* of 1 x 24 is at most 0"),
        (IMAGES.flatten(1), {"augment": {"shift": 1}}, r"augment: found shift 1, .* is 0 for samples of \[24\]"),
        (
            IMAGES.flatten(1),
            {"augment": {"rotation": 9.0}},
            "augment: found shift 0, rotation 9.0, elastic null; allowed is 0",
        ),
        (
            IMAGES.flatten(1),
            {"augment": {"elastic": ELASTIC}},
            "augment: found shift 0, rotation 0.0, elastic 8.0; allow",
        ),
        (
            FRAMES,
            {"augment": {"elastic": ELASTIC}},
            "augment.elastic: frames of events are not distorted; allowed for ",
        ),
        (IMAGES, {"augment": {"jitter": 1}}, "augment.jitter: found 1; allowed is 0 for still images"),
        (
            FRAMES,
            {"augment": {"jitter": 4}},
            "augment.jitter: found 4; allowed is at most 3 for recordings of 4 frames",
        ),
        (FRAMES, {"augment": {"shift": 3}}, "augment.shift: found 3; allowed for images of 3 x 4 is at most 2"),
        (FRAMES, {"augment": {"rotation": 9.0}}, "augment.rotation: found 9; allowed for frames of events is 0"),
        (
            IMAGES,
            {"schedule": "one_cycle", "batch_size": 40},
            r"schedule: found one_cycle over a single step \(epochs 1, 40 samples, batch_size 40\), whose rate is lr / "
            "250,000; allowed are constant and cosine, or more steps",
        ),
    ],
)
def test_what_does_not_fit_the_data_is_refused(images: Tensor, training: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        weights(images, **training)


@pytest.mark.parametrize("training", [{"augment": {"shift": 3}}, {"schedule": "one_cycle", "batch_size": 20}])
def test_what_just_fits_trains(training: dict[str, Any]) -> None:
    before = snnprune.build([24, 8, 2], timesteps=4).layers[1].weight
    assert not torch.equal(weights(**training), before)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_a_batch_larger_than_the_data_is_all_of_it_in_one_step(schedule: str) -> None:
    whole = weights(schedule=schedule, batch_size=40)
    assert torch.equal(weights(schedule=schedule, batch_size=1_000_000), whole)
    first = snnprune.build([24, 8, 2], timesteps=4).layers[1].weight
    # Adam's first step moves by lr wherever there is a gradient, so the rate of the one step is the highest.
    assert (whole - first).abs().max().item() == pytest.approx(0.002, rel=1e-2)


@pytest.mark.parametrize(
    ("loss", "found"),
    [
        (lambda counts, images, labels: None, "NoneType"),
        (lambda counts, images, labels: counts.mean(1), r"a tensor \[20\]"),
        (lambda counts, images, labels: counts.detach().sum(), r"a tensor \[\] that depends on no weight"),
    ],
)
def test_a_loss_that_is_none_is_refused(loss: Loss, found: str) -> None:
    net, training = snnprune.build([24, 8, 2], timesteps=4), snnprune.Training(epochs=1, batch_size=20)
    with pytest.raises(UserError, match=f"^loss: expected a number, a tensor .*; the function returned {found}$"):
        snnprune.train(net, (IMAGES, LABELS), training=training, loss=loss)


def test_a_last_batch_of_one_cannot_be_normalised() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(24, 8), nn.BatchNorm1d(8), snntorch.Leaky(beta=0.9, init_hidden=True))
    network = snnprune.adapt(net, IMAGES, timesteps=4).network
    with pytest.raises(UserError, match="^batch_size: the last batch has a single sample"):
        snnprune.train(network, (IMAGES, LABELS), training=snnprune.Training(epochs=1, batch_size=39))
    snnprune.train(network, (IMAGES, LABELS), training=snnprune.Training(epochs=1, batch_size=38))
