"""How an export that lies in a folder differs from its network on a split."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork, encoded_input, evaluating
from snnprune.core.training.evaluate import evaluation_batches
from snnprune.export.registry import Target
from snnprune.sparse.runtime import fastest_form

TOLERANCE = 1e-4
COUNTS, SCORES = "spike counts", "scores"


@dataclass(frozen=True)
class Differences:
    """Of how many samples; for how many the class of the highest score is another one, and for how many any class's
    score (`scored`: what that is) by more than rounding, that is by more than TOLERANCE and 1e-5 of it. accuracy: the
    share (0..1) that the export decides rightly."""

    samples: int
    decisions: int
    counts: int
    accuracy: float
    scored: str = COUNTS

    def __str__(self) -> str:
        differ = f"{self.decisions:,} of {self.samples:,} decisions differ, {self.scored} of {self.counts:,}"
        return f"{differ}; accuracy {100 * self.accuracy:.2f} %"

    def as_dict(self) -> dict[str, int | float]:
        """Its numbers."""
        return {key: value for key, value in asdict(self).items() if key != "scored"}


@torch.no_grad()
def differences(network: SpikingNetwork | AdaptedNetwork, target: Target, folder: Path, split: Split) -> Differences:
    """Run the target's files in `folder` and the network (compiled where that pays) on the same encoded input. Raises
    UserError: what it takes to run the files is not installed."""
    decisions = counts = right = 0
    are_whole = True
    with evaluating(network):
        form = fastest_form(network)
        for images, labels, seed in evaluation_batches(split):
            own = form.spikes(images, seed=seed).sum(0).cpu()
            normalize = getattr(network.spec, "normalize", None)  # of a user's network
            given = images if normalize is None else normalize.of(images)
            are_whole &= torch.equal(own, own.round())
            theirs = target.run(folder, encoded_input(network.spec, given, None, seed)[0]).to(own)
            decisions += int((own.argmax(1) != theirs.argmax(1)).sum())
            counts += int((~torch.isclose(own, theirs, atol=TOLERANCE)).any(1).sum())
            right += int((theirs.argmax(1) == labels.cpu()).sum())
    scored = COUNTS if are_whole else SCORES  # potentials and currents are none
    return Differences(len(split.labels), decisions, counts, right / len(split.labels), scored)
