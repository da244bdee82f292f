"""How the classes' scores come of what the exported steps put out, as `snnprune.adapters.step_graph.Scores` has it."""

from collections.abc import Mapping

from torch import Tensor

from snnprune.adapters.step_graph import Scores

SCORES = "scores"  # the key in exported metadata; without it `sum`
WORDS: Mapping[Scores, str] = {
    "sum": "sum over the steps",
    "mean": "mean over the steps",
    "last": "value at the last step",
}


def scored(outputs: Tensor, scores: Scores) -> Tensor:
    """Scores [B, classes] of the outputs [T, B, classes] of all steps."""
    if scores == "last":
        return outputs[-1]
    return outputs.sum(0) if scores == "sum" else outputs.mean(0)
