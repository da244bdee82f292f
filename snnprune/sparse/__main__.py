"""`python -m snnprune.sparse` compiles all loops and keeps them on disk, as their first use would (ten seconds)."""

import torch

import snnprune


def compile_all() -> None:
    """Train, prune and run a tiny network."""
    data = torch.rand(32, 1, 4, 4), torch.arange(32) % 2
    tuning = snnprune.Finetune(epochs=1)
    pruned = snnprune.prune(snnprune.build([16, 8, 2]), data, level=0.7, finetune=tuning).network
    snnprune.compile(pruned)(data[0])


if __name__ == "__main__":
    compile_all()
