"""The paper's claims as data: what is measured for each, on which side of which number, under which protocol."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.io.nets import DENSE
from pipeline.report.claims import evidence
from pipeline.report.claims.evidence import Evidence, Measured
from pipeline.report.claims.verdict import Side


@dataclass(frozen=True)
class Reading:
    """Where a quantity is read, from the comparison or a study (`source`), and how."""

    source: str
    read: Callable[[Evidence], Measured]

    def stage(self, experiment: str) -> str:
        """Address of the stage that measured it."""
        return f"compare@{experiment}" if self.source == "compare" else f"study@{experiment}-{self.source}"

    @property
    def file(self) -> str:
        """That stage's file, below the experiment's results."""
        return "compare/summary.json" if self.source == "compare" else f"studies/{self.source}/table.csv"


@dataclass(frozen=True)
class Condition:
    """A quantity on one side of a threshold; `stated` is the paper's number for it, None where it states none.

    `ours` marks a threshold that the paper does not state. A protocol without a reading is not measured.
    """

    quantity: str
    unit: str
    side: Side
    threshold: float
    stated: float | None
    fair: Reading | None
    paper: Reading | None
    ours: bool = False


@dataclass(frozen=True)
class Claim:
    """One claim: what the paper says, its value, and what both protocols mean for it. All conditions must hold."""

    id: str
    claim: str
    value: str
    fair: str
    paper: str
    conditions: tuple[Condition, ...]


def _read(source: str, read: Callable[..., Measured], **options: Any) -> Reading:
    return Reading(source, partial(read, **options))


NO_SUCH_RUN = "not measured: the study runs under protocol fair alone"
BY_COUNT = f"energy counted from spikes, every layer, profile {evidence.PROFILE}; T' by KL and accuracy on validation"
BY_FORMULA = "energy by the paper's formula 1 - (1 - s) T'/T, at the same T'"
LEFT_OUT = Reading("energy", evidence.steps_left_out)
CHANGE = Reading("energy", evidence.accuracy_change_by_truncation)
DENSE_NET, CQP_AT_70 = {"method": DENSE, "level": 0.0}, {"method": "cqp", "level": 0.7}

CLAIMS = (
    Claim(
        "cqp_at_90",
        "At 90 % sparsity CQP keeps 95.6 % test accuracy on MNIST, magnitude 93.4 %.",
        "95.6 % against 93.4 %",
        "all layers, every method with the same dense nets, levels and fine-tuning",
        "the author's code: first layer only; CQP drops input columns in rounds with a little fine-tuning, "
        "magnitude prunes synapses in one step without",
        (
            Condition(
                *("CQP minus magnitude at 90 %", "points", "above", 0, 2.2),
                fair=_read("compare", evidence.fair_margin, level=0.9),
                paper=_read("paper", evidence.paper_margin, level=0.9),
            ),
            Condition(
                *("CQP's test accuracy at 90 %", "%", "at least", 95.6, 95.6),
                fair=_read("compare", evidence.fair_accuracy, level=0.9),
                paper=_read("paper", evidence.paper_accuracy, level=0.9),
            ),
        ),
    ),
    Claim(
        "relaxation",
        "The solver's masks, rounded, overshoot the sparsity by up to 12 points and cost up to 44 points of accuracy.",
        "12 points, 44 points",
        "form budget: CQP's own program relaxed, all layers, one step from the dense net",
        "form energy: the relaxed program of the author's code, all layers, one step from the dense net",
        tuple(
            Condition(
                *(quantity, "points", "at least", stated, stated),
                fair=_read("relaxation", evidence.largest_of_form, form="budget", key=key),
                paper=_read("relaxation", evidence.largest_of_form, form="energy", key=key),
            )
            for quantity, stated, key in (
                ("largest overshoot of the sparsity", 12, "overshoot_points"),
                ("largest loss against the exact mask", 44, "loss_points"),
            )
        ),
    ),
    Claim(
        "zombies",
        "Adam's first moment revives pruned weights.",
        "revived; no number",
        "the dense training's own Adam state goes on, gradients masked: moments kept against moments masked",
        NO_SUCH_RUN,
        (
            Condition(
                *("pruned weights revived by the moments", "synapses", "above", 0, None),
                *(Reading("zombies", evidence.zombies_of_moments), None),
            ),
        ),
    ),
    Claim(
        "staleness",
        "Recomputing criticality in an iterative schedule removes gradient staleness at high sparsity.",
        "removed; no number",
        "CQP at the experiment's highest level: criticality recomputed at every level, or once at the dense net",
        NO_SUCH_RUN,
        (
            Condition(
                *("recomputed minus frozen", "points", "above", 0, None),
                *(Reading("staleness", evidence.gain_of_recomputing), None),
            ),
        ),
    ),
    Claim(
        "redundant_step",
        "KL divergence finds a redundant time step, worth 10 % energy.",
        "1 step, 10 %",
        BY_COUNT,
        BY_FORMULA,
        (
            Condition("steps left out of the dense nets", "steps", "at least", 1, 1, LEFT_OUT, LEFT_OUT),
            Condition(
                *("energy saved by leaving them out", "%", "at least", 10, 10),
                fair=_read("energy", evidence.counted_saving, **DENSE_NET),
                paper=_read("energy", evidence.formula_saving, **DENSE_NET),
            ),
            Condition("test accuracy at T' minus at T", "points", "above", -0.5, None, CHANGE, CHANGE, ours=True),
        ),
    ),
    Claim(
        "threshold_cliff",
        "In a sweep of the criticality threshold accuracy falls from 87.0 % to 14.4 % at tau = 0.9.",
        "87.0 to 14.4 %",
        "the exact program with protection: as many synapses are kept at every tau",
        "the relaxed program of the author's code, rounded",
        (
            Condition(
                *("fall of test accuracy at tau = 0.9", "points", "at least", 72.6, 72.6),
                fair=_read("sweep", evidence.fall_at, rule="exact", tau=0.9),
                paper=_read("sweep", evidence.fall_at, rule="energy", tau=0.9),
            ),
        ),
    ),
    Claim(
        "combined_saving",
        "A weight sparsity of 70 % and truncation together save 73 % energy.",
        "73 %",
        BY_COUNT,
        BY_FORMULA,
        (
            Condition(
                *("energy saved by CQP at 70 % and T'", "%", "at least", 73, 73),
                fair=_read("energy", evidence.counted_saving, **CQP_AT_70),
                paper=_read("energy", evidence.formula_saving, **CQP_AT_70),
            ),
        ),
    ),
    Claim(
        "best_alpha",
        "An exponent alpha of 0.5 is best.",
        "0.5",
        "CQP, all layers, after fine-tuning, by mean validation accuracy over levels; on the seeds of the study",
        NO_SUCH_RUN,
        (
            Condition(
                *("alpha 0.5 minus the best other alpha", "points", "above", 0, None),
                *(_read("alpha", evidence.lead_of_alpha, alpha=0.5), None),
            ),
        ),
    ),
)
