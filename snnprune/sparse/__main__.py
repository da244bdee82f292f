"""`python -m snnprune.sparse` compiles all loops and keeps them on disk, as their first use would (ten seconds)."""

import torch

import snnprune


def compile_all() -> None:
    """Train, prune and run two tiny networks: one on images, one on frames of events."""
    tuning, labels = snnprune.Finetune(epochs=1), torch.arange(32) % 2
    frames = torch.poisson(torch.full((32, 4, 1, 4, 4), 0.1)).byte()
    for encoding, samples in (("direct", torch.rand(32, 1, 4, 4)), ("frames", frames)):
        net = snnprune.build([16, 8, 40, 2], timesteps=4, encoding={"name": encoding})
        for level in (0.1, 0.9):
            pruned = snnprune.prune(net, (samples, labels), level=level, finetune=tuning).network
            snnprune.compile(pruned)(samples)
            snnprune.compile(pruned)(samples[:1])


if __name__ == "__main__":
    compile_all()
