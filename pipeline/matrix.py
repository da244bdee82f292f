"""What dvc.yaml multiplies out: `python -m pipeline.matrix` writes matrix.yaml from params.yaml. DVC's own `matrix` is
one cartesian product; here each experiment has its own methods, seeds and studies, so dvc.yaml's `foreach` takes its
entries, `<stage>: {<name>: {experiment, method, seed}}`, from this file."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.io.entry import run_stage
from pipeline.io.files import write_text
from pipeline.io.matrix_file import COMMAND, MATRIX_FILE, METHOD, Items, nets_of
from pipeline.io.params import PARAMS_FILE, Problems, matrix_of, read_params
from pipeline.slots import method_of, own_of, slots_of, source_of
from pipeline.studies import __all__ as STUDIES

HEADER = f"# Made from params.yaml by `{COMMAND}`; do not edit. dvc.yaml multiplies its stages out by it.\n"
REPORTED = ("energy", "staleness")  # the studies whose blocks the report reads
REQUIRED = ("data", "model", "train", "prune", "methods")  # blocks that every experiment has
OPTIONAL = ("compare", "export")
STAGES = ("data", "train", "prune", "evaluate", "export", "study", "compare", "report", "track")

Stages = dict[str, Items]


def stages_of(tree: dict[str, Any], *, with_code: bool = True) -> Stages:
    """The DVC stages of a params tree (`read_params`): stage -> what follows `@` in its address -> its items.
    `with_code` is false for a project that holds no code of its own, so that no stage can depend on it. Raises
    ParamsError: the matrix holds something that is not allowed, or one of its experiments has an unknown block. Raises
    UserError: a study's file does not say what it needs, or a dataset's folder holds the project."""
    stages: Stages = {stage: {} for stage in STAGES}
    matrix = matrix_of(tree)
    Problems(line for name in matrix for line in unknown_blocks(name, tree["experiments"][name])).raise_any()
    for experiment, entry in matrix.items():
        blocks = tree["experiments"][experiment]
        studies = [name for name in blocks if name in STUDIES]  # in params.yaml's order
        once = {experiment: {"experiment": experiment}}
        about = {study: slots_of(experiment, study, entry.seeds[0], with_code=with_code) for study in studies}
        nets = nets_of(experiment, entry)
        nets["train"] = {
            name: item | own_of(experiment, blocks.get("model"), item["seed"], with_code=with_code)
            for name, item in nets["train"].items()
        }
        nets["prune"] = {
            name: item | {METHOD: method_of(item["method"], with_code=with_code)}
            for name, item in nets["prune"].items()
        }
        table = "export/table.csv" if "export" in blocks else "compare/comparison.csv"
        block = f"experiments.{experiment}.compare" if "compare" in blocks else f"matrix.{experiment}"
        found = {
            **dict.fromkeys(STAGES, once),
            "data": {
                experiment: once[experiment]
                | {"source": source_of(experiment, blocks.get("data"), with_code=with_code)}
            },
            **nets,
            "export": once if "export" in blocks else {},
            "study": {
                f"{experiment}-{study}": {"experiment": experiment, "study": study, **slots}
                for study, slots in about.items()
            },
            # Where the experiment lacks such a block or study, the slot names what the stage reads anyway.
            "compare": {experiment: {"experiment": experiment, "block": block}},
            "report": {
                experiment: once[experiment]
                | {study: f"experiments.{experiment}.{study if study in studies else 'model'}" for study in REPORTED}
                | {"studies": f"results/{experiment}/{'studies' if studies else 'compare/summary.json'}"}
                | {"exports": f"results/{experiment}/{table}"}
            },
        }
        for stage, items in found.items():
            stages[stage] |= items
    return stages


def unknown_blocks(experiment: str, blocks: Iterable[str]) -> list[str]:
    """One line for every block of the experiment that has no meaning: neither its own nor a study's."""
    allowed = dict.fromkeys([*REQUIRED, *OPTIONAL, *STUDIES])
    problem = f"unknown key; allowed here: {', '.join(allowed)}"
    return [f"experiments.{experiment}.{name}: {problem}" for name in blocks if name not in allowed]


def update(params: Path = PARAMS_FILE, path: Path = MATRIX_FILE) -> bool:
    """Bring matrix.yaml up to date with params.yaml; whether it had to be changed. Raises as `stages_of`."""
    stages = stages_of(read_params(params), with_code=(path.parent / "snnprune").is_dir())
    yaml = YAML()
    yaml.default_flow_style, yaml.width = None, 400  # one line per stage
    yaml.representer.ignore_aliases = lambda _: True
    text = io.StringIO()
    yaml.dump({"stages": stages}, text)
    content = HEADER + text.getvalue()
    if path.is_file() and path.read_bytes() == content.encode():
        return False
    write_text(path, content)
    return True


def main() -> None:
    """Write matrix.yaml and say whether it changed. Raises ParamsError."""
    print(f"{MATRIX_FILE}: {'brought up to date with' if update() else 'already fits'} {PARAMS_FILE}")


if __name__ == "__main__":
    run_stage(main)
