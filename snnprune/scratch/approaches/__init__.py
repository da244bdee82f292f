"""Every module in this folder is one way to train from scratch at a sparsity, named after its file.

A module has a docstring with its source and `mask(problem)`, the mask that training starts with: of a freshly drawn
network, or, where `REWINDS` is true, of the trained dense net, whose weights then go back to an early epoch.
`REWIRING`, a `snnprune.scratch.rewiring.Rewiring`, says how the mask moves; without it the mask stays.
"""
