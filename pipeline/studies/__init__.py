"""The registry of studies: every module in this folder is one study, named after its file and its block in params.yaml.

A study measures; `pipeline/report/studies/` summarises and draws. A study module has a docstring that says what it
measures, `Params` (the schema of its block; with a field `seeds`, it runs on those only), `NEEDS` (see `Study`) and
`rows(inputs, seed)`, the rows of one seed. Where they apply it also has `READS`, `FILES`, `BESIDE` and `problems`.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.io.files import Row
from pipeline.io.params import Matrix
from snnprune.core.errors import UserError
from snnprune.core.schema import Block

if TYPE_CHECKING:
    from pipeline.inputs import Inputs

DENSE, NETS = "dense", "nets"
NO_NEURON_MEANS = (
    "all synapses of a neuron have the same criticality, so its mean over presynaptic neurons says nothing; "
    "use sensitivity or taylor"
)


@dataclass(frozen=True)
class Experiment:
    """What a study is to run in: the experiment's name, its entry in the matrix and its valid blocks."""

    name: str
    matrix: Matrix
    blocks: Mapping[str, Block]

    def neuron_means_problems(self, study: str) -> list[str]:
        """Problems of a study that averages the criticality of block `prune` over presynaptic neurons."""
        prune = self.blocks.get("prune")
        if prune is None or prune.criticality.kind != "membrane":
            return []
        return [f"experiments.{self.name}.{study}: with prune.criticality.kind membrane, {NO_NEURON_MEANS}"]


@dataclass(frozen=True)
class Study:
    """A study and what it reads beside the dataset, the dense nets and its own block (of dense nets only: `prune`).

    Attributes:
        needs: `dense` (nothing more), `nets` (all pruned nets), or a study's name (all pruned nets and its table).
        reads: further blocks of the experiment and their schemas, such as `train` or `methods.cqp`.
        files: further files that its rows depend on.
        beside: methods whose pruned nets the report puts beside its rows, which do not depend on them.
        rows: (inputs, seed) -> what it measures of one seed; a row's keys are the columns of the table.
        problems: (params, experiment) -> one line for everything that does not fit the experiment.
    """

    name: str
    params: type[Block]
    needs: str
    rows: "Callable[[Inputs[Any], int], list[Row]]"
    reads: Mapping[str, type[Block]]
    files: tuple[Path, ...]
    beside: tuple[str, ...]
    problems: Callable[[Any, Experiment], list[str]]


def available() -> list[str]:
    """Names of all studies, sorted; imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_study(name: str) -> Study:
    """Import one study, and only that one. Raises UserError: there is no such study; the message lists those there
    are."""
    if name not in available():
        raise UserError(f"unknown study {name!r}; available are: {', '.join(available())}")
    module = importlib.import_module(f"{__name__}.{name}")
    return Study(
        name=name,
        params=module.Params,
        needs=module.NEEDS,
        rows=module.rows,
        reads=getattr(module, "READS", {}),
        files=getattr(module, "FILES", ()),
        beside=getattr(module, "BESIDE", ()),
        problems=getattr(module, "problems", lambda params, experiment: []),
    )
