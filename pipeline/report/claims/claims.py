"""The paper's claims as data: what is measured for each, on which side of which number, under which protocol."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

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


COMPARED = partial(Reading, "compare")
PAPERS = partial(Reading, "paper")
RELAXED = partial(Reading, "relaxation")
COUNTED = partial(Reading, "energy")
SWEPT = partial(Reading, "sweep")

ALL_LAYERS = "all layers, every method with the same dense nets, levels and fine-tuning"
NO_SUCH_RUN = "not measured: the study runs under protocol fair alone"
BY_COUNT = f"energy counted from spikes, every layer, profile {evidence.PROFILE}; T' by KL and accuracy on validation"
BY_FORMULA = "energy by the paper's formula 1 - (1 - s) T'/T, at the same T'"

CLAIMS = (
    Claim(
        id="cqp_at_90",
        claim="At 90 % sparsity CQP keeps 95.6 % test accuracy on MNIST, magnitude 93.4 %.",
        value="95.6 % against 93.4 %",
        fair=ALL_LAYERS,
        paper="the author's code: first layer only; CQP drops input columns in rounds with a little fine-tuning, "
        "magnitude prunes synapses in one step without",
        conditions=(
            Condition(
                quantity="CQP minus magnitude at 90 %",
                unit="points",
                side="above",
                threshold=0,
                stated=2.2,
                fair=COMPARED(partial(evidence.fair_margin, level=0.9)),
                paper=PAPERS(partial(evidence.paper_margin, level=0.9)),
            ),
            Condition(
                quantity="CQP's test accuracy at 90 %",
                unit="%",
                side="at least",
                threshold=95.6,
                stated=95.6,
                fair=COMPARED(partial(evidence.fair_accuracy, level=0.9)),
                paper=PAPERS(partial(evidence.paper_accuracy, level=0.9)),
            ),
        ),
    ),
    Claim(
        id="relaxation",
        claim="The solver's masks, rounded, overshoot the sparsity by up to 12 points and cost up to 44 points of "
        "accuracy.",
        value="12 points, 44 points",
        fair="form budget: CQP's own program relaxed, all layers, one step from the dense net",
        paper="form energy: the relaxed program of the author's code, all layers, one step from the dense net",
        conditions=(
            Condition(
                quantity="largest overshoot of the sparsity",
                unit="points",
                side="at least",
                threshold=12,
                stated=12,
                fair=RELAXED(partial(evidence.largest_of_form, form="budget", key="overshoot_points")),
                paper=RELAXED(partial(evidence.largest_of_form, form="energy", key="overshoot_points")),
            ),
            Condition(
                quantity="largest loss against the exact mask",
                unit="points",
                side="at least",
                threshold=44,
                stated=44,
                fair=RELAXED(partial(evidence.largest_of_form, form="budget", key="loss_points")),
                paper=RELAXED(partial(evidence.largest_of_form, form="energy", key="loss_points")),
            ),
        ),
    ),
    Claim(
        id="zombies",
        claim="Adam's first moment revives pruned weights.",
        value="revived; no number",
        fair="the dense training's own Adam state goes on, gradients masked: moments kept against moments masked",
        paper=NO_SUCH_RUN,
        conditions=(
            Condition(
                quantity="pruned weights revived by the moments",
                unit="synapses",
                side="above",
                threshold=0,
                stated=None,
                fair=Reading("zombies", evidence.zombies_of_moments),
                paper=None,
            ),
        ),
    ),
    Claim(
        id="staleness",
        claim="Recomputing criticality in an iterative schedule removes gradient staleness at high sparsity.",
        value="removed; no number",
        fair="CQP at the experiment's highest level: criticality recomputed at every level, or once at the dense net",
        paper=NO_SUCH_RUN,
        conditions=(
            Condition(
                quantity="recomputed minus frozen",
                unit="points",
                side="above",
                threshold=0,
                stated=None,
                fair=Reading("staleness", evidence.gain_of_recomputing),
                paper=None,
            ),
        ),
    ),
    Claim(
        id="redundant_step",
        claim="KL divergence finds a redundant time step, worth 10 % energy.",
        value="1 step, 10 %",
        fair=BY_COUNT,
        paper=BY_FORMULA,
        conditions=(
            Condition(
                quantity="steps left out of the dense nets",
                unit="steps",
                side="at least",
                threshold=1,
                stated=1,
                fair=COUNTED(evidence.steps_left_out),
                paper=COUNTED(evidence.steps_left_out),
            ),
            Condition(
                quantity="energy saved by leaving them out",
                unit="%",
                side="at least",
                threshold=10,
                stated=10,
                fair=COUNTED(partial(evidence.counted_saving, method=DENSE, level=0.0)),
                paper=COUNTED(partial(evidence.formula_saving, method=DENSE, level=0.0)),
            ),
            Condition(
                quantity="test accuracy at T' minus at T",
                unit="points",
                side="above",
                threshold=-0.5,
                stated=None,
                fair=COUNTED(evidence.accuracy_change_by_truncation),
                paper=COUNTED(evidence.accuracy_change_by_truncation),
                ours=True,
            ),
        ),
    ),
    Claim(
        id="threshold_cliff",
        claim="In a sweep of the criticality threshold accuracy falls from 87.0 % to 14.4 % at tau = 0.9.",
        value="87.0 to 14.4 %",
        fair="the exact program with protection: as many synapses are kept at every tau",
        paper="the relaxed program of the author's code, rounded",
        conditions=(
            Condition(
                quantity="fall of test accuracy at tau = 0.9",
                unit="points",
                side="at least",
                threshold=72.6,
                stated=72.6,
                fair=SWEPT(partial(evidence.fall_at, rule="exact", tau=0.9)),
                paper=SWEPT(partial(evidence.fall_at, rule="energy", tau=0.9)),
            ),
        ),
    ),
    Claim(
        id="combined_saving",
        claim="A weight sparsity of 70 % and truncation together save 73 % energy.",
        value="73 %",
        fair=BY_COUNT,
        paper=BY_FORMULA,
        conditions=(
            Condition(
                quantity="energy saved by CQP at 70 % and T'",
                unit="%",
                side="at least",
                threshold=73,
                stated=73,
                fair=COUNTED(partial(evidence.counted_saving, method="cqp", level=0.7)),
                paper=COUNTED(partial(evidence.formula_saving, method="cqp", level=0.7)),
            ),
        ),
    ),
    Claim(
        id="best_alpha",
        claim="An exponent alpha of 0.5 is best.",
        value="0.5",
        fair="CQP, all layers, after fine-tuning, by mean validation accuracy over levels; on the seeds of the study",
        paper=NO_SUCH_RUN,
        conditions=(
            Condition(
                quantity="alpha 0.5 minus the best other alpha",
                unit="points",
                side="above",
                threshold=0,
                stated=None,
                fair=Reading("alpha", partial(evidence.lead_of_alpha, alpha=0.5)),
                paper=None,
            ),
        ),
    ),
)
