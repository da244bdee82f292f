"""The wheel: built, unpacked beside the installed libraries, and tried in a folder of its own as a user would."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.imports import PROJECT
from tests.snnprune.methods.test_own import CODE

LIBRARY_ALONE = """
import sys
for name in ("dvc", "mlflow", "prefect", "ruamel", "pandas", "matplotlib", "sklearn", "tqdm.auto"):
    sys.modules[name] = None  # as if it were not installed
import torch, snnprune
train = torch.rand(40, 1, 4, 4), torch.arange(40) % 2
net = snnprune.train(snnprune.build([16, 8, 2]), train, training=snnprune.Training(epochs=1))
print(snnprune.__file__)
print([snnprune.prune(net, train, method=method, level=0.75).nnz for method in ("cqp", "magnitude", "random")])
"""


COMMANDS_ALONE = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("dvc", "mlflow", "prefect", "psutil", "rich", "requests", "fastapi", "sqlalchemy"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from flows.cli import app
for command in (
    "list",
    "check-data digits --no-picture",
    "prune nets.py:build --data digits --levels 0.5 --out out --timesteps 4",
    "export out/level-0.50.pt --to c --out c",
):
    app(command.split(), standalone_mode=False)
"""
NETS = """
import torch, snntorch
def build():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10), snntorch.Leaky(beta=0.9, init_hidden=True))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (file,) = folder.glob("snnprune-*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def python(wheel: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python with the wheel's content on its path, in `folder`, outside the project."""
    environment = {**os.environ, "PYTHONPATH": str(wheel), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def test_it_holds_the_three_packages_their_data_and_the_licence(wheel: Path) -> None:
    found = {path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()}
    tracked = subprocess.run(
        ["git", "ls-files", "snnprune", "pipeline", "flows"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    expected = {name for name in tracked.stdout.split() if (PROJECT / name).is_file()}
    expected |= {f"pipeline/project/{name}" for name in ("dvc.yaml", ".gitignore", ".dvcignore")}
    assert {name for name in found if ".dist-info/" not in name} == expected
    assert any(name.endswith("licenses/LICENSE") for name in found)


def test_the_library_needs_no_pipeline(wheel: Path, tmp_path: Path) -> None:
    done = python(wheel, tmp_path, "-c", LIBRARY_ALONE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(wheel / "snnprune" / "__init__.py"), "[36, 36, 36]"]


def test_commands_without_a_project_need_no_pipeline(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    done = python(wheel, tmp_path, "-c", COMMANDS_ALONE)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "c/c/snn.h").is_file()


def test_outside_a_project_the_command_says_what_is_missing(wheel: Path, tmp_path: Path) -> None:
    listed = python(wheel, tmp_path, "-m", "flows.cli", "list")
    assert "cqp" in listed.stdout and "mnist" in listed.stdout and "experiments" not in listed.stdout
    done = python(wheel, tmp_path, "-m", "flows.cli", "run", "digits")
    assert done.returncode == 1
    assert done.stderr == f"error: no project here (no params.yaml in {tmp_path}); make one: snnprune init FOLDER\n"
    for missing, command, message in (
        ("dvc", "run digits", "dvc is not installed; projects need it: pip install 'snnprune[pipeline]'"),
        ("sklearn", "list", "sklearn is not installed; this command needs it: pip install 'snnprune[cli]'"),
    ):
        code = "import sys, importlib.util as u; found = u.find_spec; "
        code += f"u.find_spec = lambda name: None if name == '{missing}' else found(name); "
        code += f"sys.argv[1:] = {command.split()}; from flows.cli import main; main()"
        done = python(wheel, tmp_path, "-c", code)
        assert (done.returncode, done.stderr) == (1, f"error: {message}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_loads_none_of_the_heavy_libraries(wheel: Path, tmp_path: Path, arguments: list[str]) -> None:
    code = (
        "import sys; from flows.cli import app; sys.argv[0] = 'snnprune'\n"
        f"try: app({arguments})\nexcept SystemExit: pass\n"
        "print([name for name in ('torch', 'numpy', 'dvc', 'mlflow', 'prefect', 'pandas') if name in sys.modules])"
    )
    assert python(wheel, tmp_path, "-c", code).stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_an_initialised_project_runs(wheel: Path, tmp_path: Path) -> None:
    done = python(wheel, tmp_path, "-m", "flows.cli", "init", "my try")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "my try is a project; next: cd 'my try' && snnprune run digits\n"
    again = python(wheel, tmp_path, "-m", "flows.cli", "init", "my try")
    assert (again.returncode, again.stderr.split(":")[:2]) == (1, ["error", " my try/params.yaml"])
    project = tmp_path / "my try"
    small = (project / "params.yaml").read_text(encoding="utf-8").replace("seeds: [0, 1]", "seeds: [0]")
    small = re.sub("(epochs|batches|timesteps): [0-9]+", r"\1: 1", small.replace("[0.8, 0.9, 0.95]", "[0.9]"))
    small = small.replace("magnitude", "smallest")
    served = "from flows.scheduled.serve import read_deployments; print([one.name for one in read_deployments()])"
    assert python(wheel, project, "-c", served).stdout == "['nightly', 'on-demand']\n"
    (project / "params.yaml").write_text(small, encoding="utf-8")
    (project / "methods").mkdir()
    own = project / "methods/smallest.py"
    own.write_text(CODE, encoding="utf-8")
    done = python(wheel, project, "-m", "flows.cli", "run", "digits", "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    own.write_text(CODE + "\n# another thought\n", encoding="utf-8")
    stale = python(wheel, project, "-m", "dvc", "status", "prune").stdout
    assert re.findall(r"^(\S+):$", stale, flags=re.MULTILINE) == ["prune@digits-smallest-0"]
    assert (project / "results/digits/report/index.html").is_file()
    assert (project / "results/digits/compare/comparison.csv").is_file()
