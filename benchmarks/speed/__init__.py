"""How fast a net trains and infers, by its sparsity: `python -m benchmarks.speed`."""
