"""Pruning schedules: the cumulative target sparsity of each round, fixed up front."""

from typing import Literal

ScheduleName = Literal["one_shot", "linear", "cubic", "geometric"]
DIGITS = 6  # levels name files


def targets(name: ScheduleName, final: float, rounds: int) -> list[float]:
    """Target sparsities s_1 < ... < s_R = `final` of R = `rounds` rounds; all but the last rounded to six digits.

    `linear`: s_t = s_R * t/R. `cubic`: s_t = s_R - s_R * (1 - t/R)^3 (Zhu & Gupta, arXiv 1710.01878; used by Chen et
    al., arXiv 2311.16141). `geometric`: the same share of the synapses left goes in every round, 1 - s_t =
    (1 - s_R)^(t/R). `one_shot`: one round.
    """
    shares = [step / rounds for step in range(1, rounds + 1)]
    rules = {
        "one_shot": lambda share: final,
        "linear": lambda share: final * share,
        "cubic": lambda share: final - final * (1 - share) ** 3,
        "geometric": lambda share: 1 - (1 - final) ** share,
    }
    return [*(round(rules[name](share), DIGITS) for share in shares[:-1]), final]
