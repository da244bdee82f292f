"""Learning rates: the cosine and the constant by hand, the one cycle against torch's scheduler."""

import pytest
import torch

from snnprune.training.learning_rate import constant, cosine, learning_rate, one_cycle
from snnprune.training.params import FitParams


def test_cosine_by_hand() -> None:
    # Over 3 steps, and where it would end: (1 + cos(pi step/3)) / 2 = 1, 3/4, 1/4, 0.
    rates = [cosine(0.1, step, 3) for step in range(4)]
    assert rates == pytest.approx([0.1, 0.075, 0.025, 0.0], abs=1e-15)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 7, 10, 20, 33, 100, 1001])
@pytest.mark.parametrize("lr", [2e-3, 0.5])
def test_one_cycle_against_torch(steps: int, lr: float) -> None:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps, cycle_momentum=False)
    for step in range(steps):
        assert one_cycle(lr, step, steps) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9), step
        optimizer.step()
        if step < steps - 1:
            scheduler.step()


def test_one_cycle_by_hand() -> None:
    # Of 20 steps the first 6 rise; the seventh is on its way down already.
    rates = [one_cycle(0.25, step, 20) for step in range(20)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[5] == max(rates) == 0.25
    assert rates[:6] == sorted(rates[:6])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[19] == pytest.approx(1e-6)
    assert rates[12] == pytest.approx((0.25 + 1e-6) / 2)  # half way of the 14 steps from 5 to 19


@pytest.mark.parametrize(("schedule", "rule"), [("cosine", cosine), ("one_cycle", one_cycle), ("constant", constant)])
def test_the_schedule_is_chosen_by_name(schedule: str, rule: object) -> None:
    params = FitParams(epochs=1, batch_size=1, lr=0.3, schedule=schedule)
    assert [learning_rate(params, step, 9) for step in range(9)] == [rule(0.3, step, 9) for step in range(9)]
    assert cosine(0.3, 0, 9) != one_cycle(0.3, 0, 9)


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_constant_is_the_highest_rate_at_every_step(steps: int) -> None:
    params = FitParams(epochs=1, batch_size=1, lr=0.3, schedule="constant")
    assert [learning_rate(params, step, steps) for step in range(steps)] == [0.3] * steps
