"""Holds the lines between the storeys: each imports only downwards, and each heavy library has its few files."""

from pathlib import Path

import pytest

from tests.imports import PROJECT, imported_names

FORBIDDEN = {  # storey -> what none of its files imports
    "snnprune": {"pipeline", "flows", "dvc", "prefect", "mlflow", "ruamel", "matplotlib", "pandas", "tqdm"},
    "pipeline": {"flows", "dvc", "prefect", "mlflow"},
    "flows": {"torch", "snntorch", "scipy", "sklearn", "osqp", "cvxpy"},
}
ONLY_IN = {  # library -> the files and folders of flows that may import it
    "dvc": ["flows/engine/dvc.py", "flows/engine/parsed.py", "flows/engine/remote.py"],
    "dvc_data": ["flows/engine/dvc.py"],
    "distributed": ["flows/engine/dask.py"],
    "mlflow": [
        *(
            f"flows/tracking/{name}.py"
            for name in ("store", "database", "exports", "runs", "model", "served_model", "superseded")
        ),
        *(f"flows/registry/{name}.py" for name in ("registry", "app")),
    ],
    "prefect": ["flows/scheduled", "flows/engine/dask.py"],
}
SERVED = Path("flows/tracking/served_model.py")  # copied into MLflow: it runs without the project
FILES = {
    storey: [path.relative_to(PROJECT) for path in sorted((PROJECT / storey).rglob("*.py"))] for storey in FORBIDDEN
}


def top_level(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imported_names(file)}


@pytest.mark.parametrize("storey", FORBIDDEN)
def test_a_storey_imports_only_downwards(storey: str) -> None:
    wrong = {str(file): top_level(file) & FORBIDDEN[storey] for file in FILES[storey] if file != SERVED}
    assert not {file: names for file, names in wrong.items() if names}


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_of_orchestration_has_its_few_files(library: str) -> None:
    allowed = [Path(place) for place in ONLY_IN[library]]
    using = [file for file in FILES["flows"] if library in top_level(file)]
    assert not [file for file in using if not any(file == place or place in file.parents for place in allowed)]


def test_only_stages_and_the_params_readers_read_params() -> None:
    """So that a function of the science or of a study gets values, and a stage's params are seen in one file."""
    readers = {"pipeline.io.params.load_block", "pipeline.io.params.load_runtime"}
    allowed = {Path(f"pipeline/{name}.py") for name in ("io/params", "experiments", "export/tuned")}
    files = [file for file in FILES["pipeline"] if "stages" not in file.parts and file not in allowed]
    assert not [file for file in files if readers & set(imported_names(file))]


def test_no_file_is_a_grab_bag() -> None:
    names = {"utils", "util", "helpers", "common", "misc"}
    assert not [file for files in FILES.values() for file in files if file.stem in names]
