"""Whether a candidate may take the champion's place: a paired test of non-inferiority on validation accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.promotion.choice import Candidate
from pipeline.report.statistics import ROUNDING, Difference, paired_difference

MINIMUM = 2  # seeds; one has no interval


@dataclass(frozen=True)
class Champion:
    """Who holds the alias: what its tags say. accuracies: validation accuracy of its method and level by seed."""

    title: str
    experiment: str
    dataset: str
    accuracies: Mapping[int, float]


@dataclass(frozen=True)
class Verdict:
    """Whether the alias moves, why in one sentence, and the paired difference of validation accuracy, candidate minus
    opponent over their common seeds; None where they cannot be compared."""

    moves: bool
    reason: str
    difference: Difference | None


def judge(
    candidate: Candidate, experiment: str, dataset: str, champion: Champion | None, *, delta: float, force: bool = False
) -> Verdict:
    """Hold a candidate against the champion.

    The alias moves when a loss greater than `delta` is excluded: the low end of the 95 % t-interval of the paired
    differences over the common seeds is above `-delta`. From one common seed there is no interval, so it stays. A
    champion of another experiment or other data is not comparable, and stays, too. The first champion has no opponent:
    the constraint that it was chosen by decides, and the difference is that from the dense nets. `force` moves the
    alias and says what it overrides.

    >>> from pipeline.promotion.choice import Candidate
    >>> mine = Candidate("digits", "cqp", 0.9, 0, {0: 0.96, 1: 0.97}, {0: 0.97, 1: 0.97}, 1.0, 0.9, "loihi", "")
    >>> judge(mine, "digits", "d1", Champion("version 1", "digits", "d2", {0: 0.95}), delta=0.005).moves
    False
    """
    if champion is None:
        difference = paired(candidate.accuracies, candidate.dense)
        against = f"{_text(difference)} against the dense nets" if difference else "no dense net to compare with"
        return Verdict(True, f"the first champion has no opponent; {against}", difference)
    if problem := _incomparable(champion, experiment, dataset):
        return _forced(force, f"{champion.title} cannot be compared: {problem}", None)
    difference = paired(candidate.accuracies, champion.accuracies)
    if difference is None or difference.n < MINIMUM:
        common = 0 if difference is None else difference.n
        return _forced(force, f"{common} seed in common with {champion.title}; an interval takes {MINIMUM}", difference)
    told = f"{_text(difference)} against {champion.title}"
    if difference.worst > -delta + ROUNDING:
        return Verdict(True, f"{told}: a loss of more than {100 * delta:g} points is excluded", difference)
    may_lose = f"a loss of {-100 * difference.worst:.2f} points is not excluded, delta allows {100 * delta:g}"
    return _forced(force, f"{told}: {may_lose}", difference)


def paired(mine: Mapping[int, float], theirs: Mapping[int, float]) -> Difference | None:
    """Mine minus theirs over the common seeds; None without any."""
    common = sorted(mine.keys() & theirs.keys())
    return paired_difference([mine[s] for s in common], [theirs[s] for s in common]) if common else None


def _incomparable(champion: Champion, experiment: str, dataset: str) -> str | None:
    if champion.experiment != experiment:
        return f"it is of experiment {champion.experiment!r}, the candidate of {experiment!r}"
    if champion.dataset != dataset:
        return f"its dataset has the digest {champion.dataset}, the candidate's {dataset}"
    return None


def _forced(force: bool, reason: str, difference: Difference | None) -> Verdict:
    return Verdict(force, f"{reason}; moved by force" if force else f"{reason}; --force would move it", difference)


def _text(difference: Difference) -> str:
    seeds = "1 seed" if difference.n == 1 else f"{difference.n} seeds"
    return f"{difference.text(sign='+')} points of validation accuracy over {seeds}"
