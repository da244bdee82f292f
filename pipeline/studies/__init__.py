"""Every module in this folder is one study, named after its file and its block in params.yaml.

A study measures; `pipeline/report/studies/` summarises and draws. A study module has a docstring that says what it
measures, `Params` (the schema of its block; with a field `seeds`, it runs on those only), `NEEDS` (see `Study` of
`pipeline/study.py`, which loads them) and `rows(inputs, seed)`, the rows of one seed. Where they apply it also has
`READS`, `FILES`, `BESIDE` and `problems`.
"""

import pkgutil

__all__ = sorted(module.name for module in pkgutil.iter_modules(__path__))
