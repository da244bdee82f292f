"""Every module in this folder is one pruning method, named after its file; `snnprune/pruning/registry.py` loads them. A
user's own are in a folder `methods` where Python runs: of a project, beside its params.yaml.

A method module has a docstring that says what it does, `Params` (a schema of its own parameters) and
`prune(problem, params) -> Mask`. One that may keep another number of synapses than asked says `EXACT = False`; one
whose synapses go in several rounds while a level is fine-tuned has `rounds(params) -> int`, and `prune` is one round
(`snnprune/pruning/gradual.py`). To run it, list it in params.yaml: in `matrix.<experiment>.methods` and in `methods` of
the experiment.
"""
