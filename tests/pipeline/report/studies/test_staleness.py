"""Staleness: the study's rows and the evaluated nets are paired by seed and level."""

import pandas as pd
import pytest

from pipeline.report.studies import StudySummary
from pipeline.report.studies.staleness import summarize, with_recomputed
from pipeline.studies.staleness import Params
from snnprune.core.errors import UserError
from tests.pipeline.report.tables import context


@pytest.fixture
def frozen() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"seed": seed, "level": level, "nnz": 1, "frozen_validation_accuracy": 0.5, "frozen_accuracy": accuracy}
            for seed, level, accuracy in ((0, 0.5, 0.9), (0, 0.9, 0.6), (1, 0.5, 0.8), (1, 0.9, 0.7))
        ]
    )


@pytest.fixture
def evaluated() -> pd.DataFrame:
    """In another order than `frozen`, with another method beside it."""
    return pd.DataFrame(
        [
            {"method": method, "level": level, "accuracy": accuracy, "seed": seed, "nnz": 7}
            for seed, level, accuracy in ((1, 0.9, 0.74), (0, 0.9, 0.61), (1, 0.5, 0.8), (0, 0.5, 0.91))
            for method in ("random", "cqp")
        ]
    )


def summary_of(frozen: pd.DataFrame, evaluated: pd.DataFrame, above: float) -> StudySummary:
    return summarize(frozen, context(Params(above=above), evaluated))


def test_rows_of_the_same_seed_and_level_are_paired(frozen: pd.DataFrame, evaluated: pd.DataFrame) -> None:
    paired = with_recomputed(frozen, evaluated)
    assert paired[["seed", "level", "nnz", "frozen_accuracy", "accuracy"]].to_numpy().tolist() == [
        [0, 0.5, 1, 0.9, 0.91],
        [0, 0.9, 1, 0.6, 0.61],
        [1, 0.5, 1, 0.8, 0.8],
        [1, 0.9, 1, 0.7, 0.74],
    ]


def test_gains_by_hand(frozen: pd.DataFrame, evaluated: pd.DataFrame) -> None:
    summary = summary_of(frozen, evaluated, 0.9)
    (result,) = summary.results.itertuples()
    assert result.level == 0.9
    assert result.accuracy.mean == pytest.approx(0.675)
    assert result.frozen_accuracy.mean == pytest.approx(0.65)
    # 1 and 4 points
    assert result.gain_points.mean == pytest.approx(2.5)
    assert result.gain_points.sd == pytest.approx(3 / 2**0.5)
    assert summary.metrics == {"gain_points/0.90": pytest.approx(2.5)}
    assert summary_of(frozen, evaluated, 0.5).results["level"].tolist() == [0.5, 0.9]
    assert summary_of(frozen, evaluated, 0.95).results.empty


def test_a_row_without_a_partner_is_refused(frozen: pd.DataFrame, evaluated: pd.DataFrame) -> None:
    with pytest.raises(UserError, match=r"other levels than the evaluated nets of cqp \(0.5, 0.9\)"):
        with_recomputed(frozen, evaluated.iloc[2:])
    with pytest.raises(pd.errors.MergeError):
        with_recomputed(frozen, pd.concat([evaluated, evaluated.iloc[:2]]))
