"""Staleness: frozen and fresh rows are paired by seed and level."""

import pandas as pd
import pytest

from pipeline.report.studies.staleness import paired_table, summarize
from snnprune.core.errors import UserError


@pytest.fixture
def frozen() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"seed": seed, "level": level, "nnz": 1, "frozen_validation_accuracy": 0.5, "frozen_accuracy": accuracy}
            for seed, level, accuracy in ((0, 0.5, 0.9), (0, 0.9, 0.6), (1, 0.5, 0.8), (1, 0.9, 0.7))
        ]
    )


@pytest.fixture
def fresh() -> pd.DataFrame:
    """In another order than `frozen`."""
    return pd.DataFrame(
        [
            {"level": level, "validation_accuracy": 0.4, "accuracy": accuracy, "seed": seed, "nnz": 7}
            for seed, level, accuracy in ((1, 0.9, 0.74), (0, 0.9, 0.61), (1, 0.5, 0.8), (0, 0.5, 0.91))
        ]
    )


def test_rows_of_the_same_seed_and_level_are_paired(frozen: pd.DataFrame, fresh: pd.DataFrame) -> None:
    paired = paired_table(frozen, fresh)
    assert paired[["seed", "level", "frozen_accuracy", "accuracy"]].to_numpy().tolist() == [
        [0, 0.5, 0.9, 0.91],
        [0, 0.9, 0.6, 0.61],
        [1, 0.5, 0.8, 0.8],
        [1, 0.9, 0.7, 0.74],
    ]
    assert paired["nnz"].tolist() == [1, 1, 1, 1]


def test_gains_by_hand(frozen: pd.DataFrame, fresh: pd.DataFrame) -> None:
    summary = summarize(paired_table(frozen, fresh), 0.9)
    (result,) = summary["results"]
    assert result["level"] == 0.9
    assert result["accuracy"]["mean"] == pytest.approx(0.675)
    assert result["frozen_accuracy"]["mean"] == pytest.approx(0.65)
    # 1 and 4 points
    assert result["gain_points"]["mean"] == pytest.approx(2.5)
    assert result["gain_points"]["sd"] == pytest.approx(3 / 2**0.5)
    assert summary["metrics"] == {"gain_points/0.9": pytest.approx(2.5)}
    assert summary["findings"][0].startswith("recomputing criticality at 0.9: +2.50 points (95 % interval -16.56 to")
    assert [r["level"] for r in summarize(paired_table(frozen, fresh), 0.5)["results"]] == [0.5, 0.9]


def test_one_seed_has_no_interval(frozen: pd.DataFrame, fresh: pd.DataFrame) -> None:
    one = paired_table(frozen[frozen["seed"] == 1], fresh)
    assert summarize(one, 0.9)["findings"] == ["recomputing criticality at 0.9: +4.00 points"]


def test_a_row_without_a_partner_is_refused(frozen: pd.DataFrame, fresh: pd.DataFrame) -> None:
    with pytest.raises(UserError, match=r"prune has other levels \(0.5, 0.9\) than its block"):
        paired_table(frozen, fresh.iloc[1:])


def test_two_partners_are_refused(frozen: pd.DataFrame, fresh: pd.DataFrame) -> None:
    with pytest.raises(pd.errors.MergeError):
        paired_table(frozen, pd.concat([fresh, fresh.iloc[:1]]))
