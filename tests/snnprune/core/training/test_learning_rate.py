"""Learning rates: the cosine and the constant by hand, the one cycle against torch's scheduler."""

import pytest
import torch

from snnprune.core.training.learning_rate import learning_rate
from snnprune.core.training.params import FitParams


def rates(schedule: str, lr: float, steps: int, count: int | None = None) -> list[float]:
    """The rates of all steps, or of the first `count`."""
    params = FitParams(epochs=1, batch_size=1, lr=lr, schedule=schedule)
    return [learning_rate(params, step, steps) for step in range(steps if count is None else count)]


def test_cosine_by_hand() -> None:
    # Over 3 steps, and where it would end: (1 + cos(pi step/3)) / 2 = 1, 3/4, 1/4, 0.
    assert rates("cosine", 0.1, 3, count=4) == pytest.approx([0.1, 0.075, 0.025, 0.0], abs=1e-15)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 7, 10, 20, 33, 100, 1001])
@pytest.mark.parametrize("lr", [2e-3, 0.5])
def test_one_cycle_against_torch(steps: int, lr: float) -> None:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps, cycle_momentum=False)
    for step, rate in enumerate(rates("one_cycle", lr, steps)):
        assert rate == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9), step
        optimizer.step()
        if step < steps - 1:
            scheduler.step()


def test_one_cycle_by_hand() -> None:
    # Of 20 steps the first 6 rise; half way of the 14 steps from 5 to 19 is 12.
    found = rates("one_cycle", 0.25, 20)
    assert found[5] == max(found) == 0.25
    assert [found[0], found[12], found[19]] == pytest.approx([0.01, (0.25 + 1e-6) / 2, 1e-6])


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_constant_is_the_highest_rate_at_every_step(steps: int) -> None:
    assert rates("constant", 0.3, steps) == [0.3] * steps
