"""The paper's claims as data: what is measured for each, on which side of which number, under which protocol."""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pipeline.io.nets import DENSE
from pipeline.report.claims import evidence as read
from pipeline.report.claims.evidence import Reading, cell

T = TypeVar("T")
Side = Literal["above", "at least"]


@dataclass(frozen=True)
class Condition(Generic[T]):
    """A quantity on one side of a threshold, and what each protocol has of it: a reading, or once judged what it found.

    paper_value: the paper's number for it, None where it states none. A protocol without a reading is not measured.
    """

    quantity: str
    unit: str
    side: Side
    threshold: float
    fair: T
    paper: T
    paper_value: float | None = None
    threshold_of: Literal["the paper", "ours"] = "the paper"


@dataclass(frozen=True)
class Claim:
    """One claim: what the paper says, its value, and what both protocols mean for it. All conditions must hold."""

    id: str
    claim: str
    value: str
    fair: str
    paper: str
    conditions: tuple[Condition[Reading | None], ...]


NO_SUCH_RUN = "not measured: the study runs under protocol fair alone"
BY_COUNT = f"energy counted from spikes, every layer, profile {read.PROFILE}; T' by KL and accuracy on validation"
BY_FORMULA = "energy by the paper's formula 1 - (1 - s) T'/T, at the same T'"


def _saving(quantity: str, percent: float, **net: Any) -> Condition[Reading]:
    """Energy that a net at T' saves: by count, and by the paper's formula."""
    readings = read.counted_saving(**net), read.formula_saving(**net)
    return Condition(quantity, "%", "at least", percent, *readings, paper_value=percent)


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
                *("CQP minus magnitude at 90 %", "points", "above", 0),
                fair=cell("compare", "margin", 100, method="cqp", level=0.9),
                paper=cell("paper", "margin_points", part="margins", protocol="paper", level=0.9),
                paper_value=2.2,
            ),
            Condition(
                *("CQP's test accuracy at 90 %", "%", "at least", 95.6),
                fair=cell("compare", "accuracy", 100, method="cqp", level=0.9),
                paper=cell("paper", "accuracy", 100, protocol="paper", method="cqp", level=0.9),
                paper_value=95.6,
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
                *(quantity, "points", "at least", stated),
                *(read.largest_of_form(form=form, key=key) for form in ("budget", "energy")),
                paper_value=stated,
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
        (Condition("pruned weights revived by the moments", "synapses", "above", 0, read.zombies_of_moments(), None),),
    ),
    Claim(
        "staleness",
        "Recomputing criticality in an iterative schedule removes gradient staleness at high sparsity.",
        "removed; no number",
        "CQP at the experiment's highest level: criticality recomputed at every level, or once at the dense net",
        NO_SUCH_RUN,
        (Condition("recomputed minus frozen", "points", "above", 0, read.gain_of_recomputing(), None),),
    ),
    Claim(
        "redundant_step",
        "KL divergence finds a redundant time step, worth 10 % energy.",
        "1 step, 10 %",
        BY_COUNT,
        BY_FORMULA,
        (
            Condition(
                *("steps left out of the dense nets", "steps", "at least", 1),
                *(read.steps_left_out(), read.steps_left_out(), 1),
            ),
            _saving("energy saved by leaving them out", 10, method=DENSE, level=0.0),
            Condition(
                *("test accuracy at T' minus at T", "points", "above", -0.5),
                *(read.accuracy_change_by_truncation(), read.accuracy_change_by_truncation()),
                threshold_of="ours",
            ),
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
                *("fall of test accuracy at tau = 0.9", "points", "at least", 72.6),
                *(read.fall_at(rule=rule, tau=0.9) for rule in ("exact", "energy")),
                paper_value=72.6,
            ),
        ),
    ),
    Claim(
        "combined_saving",
        "A weight sparsity of 70 % and truncation together save 73 % energy.",
        "73 %",
        BY_COUNT,
        BY_FORMULA,
        (_saving("energy saved by CQP at 70 % and T'", 73, method="cqp", level=0.7),),
    ),
    Claim(
        "best_alpha",
        "An exponent alpha of 0.5 is best.",
        "0.5",
        "CQP, all layers, after fine-tuning, by mean validation accuracy over levels; on the seeds of the study",
        NO_SUCH_RUN,
        (Condition("alpha 0.5 minus the best other alpha", "points", "above", 0, read.lead_of_alpha(alpha=0.5), None),),
    ),
)
