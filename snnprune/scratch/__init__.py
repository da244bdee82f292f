"""Training at a sparsity from the start, with no dense net before it; masks may move on the way."""
