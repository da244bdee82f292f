"""Staleness: the study's rows and the evaluated nets are paired by seed and level."""

import pandas as pd
import pytest

from pipeline.report.studies import StudySummary
from pipeline.report.studies.staleness import summarize
from pipeline.studies.staleness import Params
from snnprune.core.errors import UserError
from tests.pipeline.report.tables import context

FROZEN = pd.DataFrame(
    [(0, 0.5, 0.9), (0, 0.9, 0.6), (1, 0.5, 0.8), (1, 0.9, 0.7)], columns=["seed", "level", "frozen_accuracy"]
)
# In another order, and with another method beside it.
FRESH = pd.DataFrame(
    [(1, 0.9, 0.74), (0, 0.9, 0.61), (1, 0.5, 0.8), (0, 0.5, 0.91)], columns=["seed", "level", "accuracy"]
)
EVALUATED = pd.concat([FRESH.assign(method="random", accuracy=0.1), FRESH.assign(method="cqp")])


def summary_of(above: float, evaluated: pd.DataFrame = EVALUATED) -> StudySummary:
    return summarize(FROZEN, context(Params(above=above), evaluated))


def test_gains_by_hand() -> None:
    summary = summary_of(0.9)
    (result,) = summary.results.itertuples()
    assert result.level == 0.9
    assert result.accuracy.mean == pytest.approx(0.675)
    assert result.frozen_accuracy.mean == pytest.approx(0.65)
    # 1 and 4 points
    assert result.gain_points.mean == pytest.approx(2.5)
    assert result.gain_points.sd == pytest.approx(3 / 2**0.5)
    assert summary.metrics == {"gain_points/0.90": pytest.approx(2.5)}
    assert summary_of(0.5).results["level"].tolist() == [0.5, 0.9]
    assert summary_of(0.95).results.empty


def test_a_row_without_a_partner_is_refused() -> None:
    with pytest.raises(UserError, match=r"other levels than the evaluated nets of cqp \(0.5, 0.9\)"):
        summary_of(0.5, EVALUATED.iloc[:-1])
