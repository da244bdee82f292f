"""What a promotion is asked for: energies with units, options on one line, and errors that name key, found, allowed."""

import pytest

from pipeline.promotion.params import PromotionParams, read_energy, read_options
from snnprune.core.schema import ParamsError, validate


@pytest.mark.parametrize(
    ("value", "pj"),
    [("10%", 200), (0.1, 200), ("0.1", 200), (1, 2000), ("2500pJ", 2500), ("2.5 nJ", 2500), ("1e-3uJ", 1000)],
)
def test_an_energy_is_a_share_of_the_dense_nets_or_has_a_unit(value: str | float, pj: float) -> None:
    assert read_energy(value).limit_pj(2000) == pytest.approx(pj)


@pytest.mark.parametrize("value", ["5", "150%", "ten", "-1nJ", "3 kWh", ""])
def test_what_is_no_energy_is_named(value: str) -> None:
    with pytest.raises(ParamsError, match=r"^promote.max_energy: expected a share .* such as 2500pJ.*; found '"):
        validate(PromotionParams, {"max_energy": value}, "promote")


def test_options_on_one_line() -> None:
    found = read_options("level=0.95, max-energy=10%,model=edge,delta=0.01,force=true")
    assert found == PromotionParams(level=0.95, max_energy="10%", model="edge", delta=0.01, force=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.9", "promote: expected key=value, .* keys are level, max-energy, .*; found '0.9'"),
        ("level=", "promote: expected key=value"),
        ("sparsity=0.9", "promote.sparsity: unknown key; allowed here: level, max_energy"),
        ("level=1", "promote.level: .*less than 1; found 1.0"),
        ("delta=much", "promote.delta: .*number; found 'much'"),
        ("model=a/b", "promote.model: .*pattern.*; found 'a/b'"),
    ],
)
def test_options_that_are_not_allowed_are_named(text: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        read_options(text)


@pytest.mark.parametrize(
    ("options", "allowed"),
    [({}, 0.005), ({"level": 0.9}, None), ({"max_energy": "5%"}, None), ({"level": 0.9, "max_loss": 0.1}, 0.1)],
)
def test_without_any_constraint_half_a_point_may_be_lost(options: dict[str, object], allowed: float | None) -> None:
    assert PromotionParams(**options).allowed_loss == allowed
