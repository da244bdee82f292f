"""The methods that prune networks which run their own forward: all but obs, which solves a plain sequence of layers."""

from snnprune.pruning.registry import available

METHODS = [name for name in available() if name != "obs"]
