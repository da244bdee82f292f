"""The study `energy`: what sparsity and fewer time steps really save, counted from spikes."""

from pipeline.report.studies import StudyReport
from pipeline.report.studies.energy.figures import FIGURES
from pipeline.report.studies.energy.summary import summarize
from pipeline.studies.energy import Params

REPORT = StudyReport("Accuracy and energy", summarize, FIGURES, Params)
