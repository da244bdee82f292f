"""How an export that lies in a folder differs from its network on a split."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork, encoded_input, evaluating
from snnprune.core.training.evaluate import evaluation_batches
from snnprune.export.registry import Target
from snnprune.sparse.runtime import fastest_form


@dataclass(frozen=True)
class Differences:
    """Of how many samples; for how many the class of most spikes is another one, and for how many any class's count."""

    samples: int
    decisions: int
    counts: int

    def __str__(self) -> str:
        return f"{self.decisions:,} of {self.samples:,} decisions differ, {self.counts:,} samples' counts of spikes"

    def as_dict(self) -> dict[str, int]:
        """As plain values."""
        return asdict(self)


@torch.no_grad()
def differences(network: SpikingNetwork, target: Target, folder: Path, split: Split) -> Differences:
    """Run the target's files in `folder` and the network (compiled where that pays) on the same encoded input. Raises
    UserError: what it takes to run the files is not installed."""
    decisions = counts = 0
    with evaluating(network):
        form = fastest_form(network)
        for images, _, seed in evaluation_batches(split):
            own = form.spikes(images, seed=seed).sum(0).cpu()
            theirs = target.run(folder, encoded_input(network.spec, images, None, seed)[0]).to(own)
            decisions += int((own.argmax(1) != theirs.argmax(1)).sum())
            counts += int((own != theirs).any(1).sum())
    return Differences(len(split.labels), decisions, counts)
