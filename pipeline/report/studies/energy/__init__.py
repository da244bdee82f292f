"""The study `energy`: what sparsity and fewer time steps really save, counted from spikes."""

from pipeline.report.studies import StudyReport
from pipeline.report.studies.energy.figures import draw_formula, draw_front, draw_layers
from pipeline.report.studies.energy.summary import summarize
from pipeline.report.studies.energy.tables import BEST_POINTS
from pipeline.report.style import Drawing
from pipeline.studies.energy import Params

REPORT = StudyReport(
    "Accuracy and energy",
    summarize,
    (
        Drawing(
            "energy_front",
            "Up and left is better: the line joins the settings that no other beats in both accuracy and energy on "
            f"validation. Only the best {BEST_POINTS:g} points are drawn.",
            draw_front,
        ),
        Drawing(
            "energy_layers",
            "Which layer the energy goes to, and how it shrinks as synapses are removed.",
            draw_layers,
        ),
        Drawing(
            "energy_formula",
            "Below the dotted line a method saves less than the paper's formula says, because it keeps the busy "
            "synapses; above it, more.",
            draw_formula,
        ),
    ),
    Params,
)
