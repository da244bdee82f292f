"""matrix.yaml: each experiment's own methods, seeds and studies as DVC's stages, and the committed file up to date."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import matrix
from pipeline.io import matrix_file
from pipeline.io.params import Matrix, read_params
from pipeline.slots import own_of, slots_of
from snnprune.core.errors import UserError
from tests.imports import PROJECT
from tests.tiny import run

TREE = {
    "matrix": {
        "small": {"methods": ["cqp", "random"], "seeds": [0, 7]},
        "big": {"methods": ["cqp"], "seeds": [0]},
    },
    "experiments": {
        "small": {"methods": {"cqp": {}, "random": {}}, "layers": {}, "energy": {}},
        "big": {"methods": {"cqp": {}, "random": {}}, "layers": {}, "sweep": {}, "export": {}},
        "unused": {"methods": {"cqp": {}}, "layers": {}, "paper": {}},
    },
}


BUILT_HERE = {  # a part of what the stage depends on anyway
    "code": "snnprune/core/architecture.py",
    "module": "snnprune/core/network.py",
    "weights": "snnprune/core/params.py",
}


CQP, RANDOM = ({"method_file": f"snnprune/methods/{name}.py"} for name in ("cqp", "random"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with TREE as params.yaml."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps(TREE))
    return tmp_path


def test_the_committed_file_is_what_params_yaml_gives() -> None:
    committed = YAML(typ="safe").load(PROJECT / "matrix.yaml")
    expected = {"stages": matrix.stages_of(read_params(PROJECT / "params.yaml"))}
    assert committed == expected, f"run {matrix.COMMAND}"


def test_each_experiment_has_its_own_methods_seeds_and_studies() -> None:
    stages = matrix.stages_of(TREE)
    small, big = {"experiment": "small"}, {"experiment": "big"}
    assert stages["train"] == {
        "small-0": small | {"seed": 0} | BUILT_HERE,
        "small-7": small | {"seed": 7} | BUILT_HERE,
        "big-0": big | {"seed": 0} | BUILT_HERE,
    }
    assert stages["prune"] == {
        "small-cqp-0": small | {"method": "cqp", "seed": 0} | CQP,
        "small-cqp-7": small | {"method": "cqp", "seed": 7} | CQP,
        "small-random-0": small | {"method": "random", "seed": 0} | RANDOM,
        "small-random-7": small | {"method": "random", "seed": 7} | RANDOM,
        "big-cqp-0": big | {"method": "cqp", "seed": 0} | CQP,
    }
    for stage in ("data", "evaluate", "compare", "report", "track"):
        found = {name: item["experiment"] for name, item in stages[stage].items()}
        assert found == {"small": "small", "big": "big"}
    assert stages["export"] == {"big": big}
    assert {item["studies"] for item in stages["report"].values()} == {"results/small/studies", "results/big/studies"}
    assert {name: (item["experiment"], item["study"]) for name, item in stages["study"].items()} == {
        "small-layers": ("small", "layers"),
        "small-energy": ("small", "energy"),
        "big-layers": ("big", "layers"),
        "big-sweep": ("big", "sweep"),
    }


def test_a_method_of_the_users_own_is_watched_in_a_project_with_and_without_code(folder: Path) -> None:
    tree = json.loads(json.dumps(TREE).replace('"random"', '"mine"'))

    def files(with_code: bool) -> set[tuple[str, str]]:
        items = matrix.stages_of(tree, with_code=with_code)["prune"].values()
        return {(item["method"], item["method_file"]) for item in items}

    before = {("cqp", "snnprune/methods/cqp.py"), ("mine", "methods/mine.py")}
    assert files(with_code=True) == before  # and DVC says that it is missing
    (folder / "methods").mkdir()
    (folder / "methods/mine.py").write_text("")
    assert files(with_code=True) == before
    assert files(with_code=False) == {("cqp", ".dvcignore"), ("mine", "methods/mine.py")}


def test_what_an_experiment_lacks_is_a_slot_that_names_what_the_stage_reads_anyway() -> None:
    stages = matrix.stages_of(TREE)
    assert stages["compare"]["small"] == {"experiment": "small", "block": "matrix.small"}
    assert stages["report"]["small"]["studies"] == "results/small/studies"
    exports = {name: item["exports"] for name, item in stages["report"].items()}
    assert exports == {"small": "results/small/compare/comparison.csv", "big": "results/big/export/table.csv"}
    alone = {"methods": {"cqp": {}}, "compare": {"baseline": None}}
    without = {"matrix": {"big": TREE["matrix"]["big"]}, "experiments": {"big": alone}}
    stages = matrix.stages_of(without)
    assert stages["study"] == {}
    assert stages["compare"]["big"]["block"] == "experiments.big.compare"
    assert stages["report"]["big"] == {
        "experiment": "big",
        "energy": "experiments.big.model",
        "staleness": "experiments.big.model",
        "studies": "results/big/compare/summary.json",
        "exports": "results/big/compare/comparison.csv",
    }


@pytest.mark.parametrize(
    ("text", "own", "matrix_key", "blocks"),
    [
        ("NEEDS = DENSE\nfrom snnprune.pruning.mask import Mask", [], ".seeds", ["prune", "study"]),
        (
            "from snnprune.temporal.x import kl\nNEEDS = NETS",
            ["snnprune/temporal", "results/e/prune"],
            "",
            ["study", "study"],
        ),
        (
            "NEEDS = DENSE\nREADS = {'train': X}\ndef rows():\n    from snnprune.methods import cqp",
            ["snnprune/methods/cqp.py"],
            ".seeds",
            ["prune", "train"],
        ),
        (
            "NEEDS = 'timed'\nREADS = {'methods.cqp': X}",
            ["results/e/prune", "results/e/studies/timed/table.csv"],
            "",
            ["methods.cqp", "study"],
        ),
    ],
)
def test_a_studys_slots_are_read_from_its_file(
    folder: Path, text: str, own: list[str], matrix_key: str, blocks: list[str]
) -> None:
    Path("study.py").write_text(text)
    unused = ["results/e/data/dataset.json", "results/e/train/seed7/curve.csv", "results/e/train/seed7/metrics.json"]
    paths = [*own, *unused][:3]
    assert slots_of("e", "study", 7, folder=folder) == {
        **dict(zip(("first", "second", "third"), paths, strict=True)),
        "matrix": f"matrix.e{matrix_key}",
        "block1": f"experiments.e.{blocks[0]}",
        "block2": f"experiments.e.{blocks[1]}",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pass", "study.py: no NEEDS; allowed are DENSE, NETS, or the name of a study whose table it reads"),
        (
            "NEEDS = DENSE\nREADS = {'model': M, 'train': T}",
            "blocks: dvc.yaml has room for 2; found prune, model, train",
        ),
        (
            "NEEDS = 'x'\nfrom snnprune.energy.x import y\nfrom snnprune.temporal.x import z",
            "code, nets and tables of its own: dvc.yaml has room for 3; found snnprune/energy, snnprune/tempo",
        ),
    ],
)
def test_a_study_that_does_not_fit_the_slots_is_an_error(folder: Path, text: str, message: str) -> None:
    Path("study.py").write_text(text)
    with pytest.raises(UserError, match=message):
        slots_of("e", "study", 7, folder=folder)


@pytest.mark.parametrize(
    ("model", "slots"),
    [
        ({"layers": [4, 2]}, list(BUILT_HERE.values())),
        ({"module": "./nets/my.py:build", "checkpoint": "my.pt"}, ["snnprune/adapters", "nets/my.py", "my.pt"]),
        (
            {"module": "my.py:build", "checkpoint": "nets/my-{seed}.pt"},
            ["snnprune/adapters", "my.py", "nets/my-7.pt"],
        ),
        ({"module": "my.py:build"}, ["snnprune/adapters", "my.py", "snnprune/core/params.py"]),
        ({"module": "my.nir"}, ["snnprune/adapters", "my.nir", "snnprune/nir"]),
        ({"module": 3, "checkpoint": []}, list(BUILT_HERE.values())),  # an error, but of another check
    ],
)
def test_a_train_stage_depends_on_the_files_of_a_users_network(model: dict, slots: list[str]) -> None:
    assert list(own_of("e", model, 7).values()) == slots


def test_the_files_of_a_users_network_must_be_those_that_dvc_watches(folder: Path) -> None:
    tree = json.loads(json.dumps(TREE))
    tree["experiments"]["big"]["model"] = {"module": "my.py:build", "checkpoint": "my.pt"}
    Path("params.yaml").write_text(json.dumps(tree))
    matrix.update()
    matrix_file.require_current("big", Matrix(**TREE["matrix"]["big"]))
    matrix_file.require_own("big", 0, [Path("my.py"), Path("my.pt")])
    matrix_file.require_own("small", 0, [])
    with pytest.raises(UserError, match=r"^matrix\.yaml does not fit experiments\.big\.model of params\.yaml; bring"):
        matrix_file.require_own("big", 0, [Path("my.py"), Path("other.pt")])


def test_the_report_of_an_experiment_without_studies_names_what_it_reads_anyway() -> None:
    tree = {"matrix": {"bare": TREE["matrix"]["big"]}, "experiments": {"bare": {"methods": {"cqp": {}}}}}
    assert matrix.stages_of(tree)["report"]["bare"]["studies"] == "results/bare/compare/summary.json"


def test_a_project_without_code_depends_on_none(folder: Path) -> None:
    slots = slots_of("e", "energy", 0, with_code=False)
    assert [slots["first"], slots["second"]] == ["results/e/prune", "results/e/studies/temporal/table.csv"]
    assert not any(str(path).startswith(("snnprune", "pipeline")) for path in slots.values())


def test_the_file_is_written_when_it_has_to_be(folder: Path) -> None:
    assert matrix.update()
    text = Path("matrix.yaml").read_text()
    assert text.startswith("# Made from params.yaml by `python -m pipeline.matrix`")
    assert "\n    small-cqp-7: {experiment: small, method: cqp, seed: 7, method_file: .dvcignore}\n" in text
    assert YAML(typ="safe").load(text) == {"stages": matrix.stages_of(TREE, with_code=False)}
    assert not matrix.update()
    Path("matrix.yaml").write_text(text + "# edited\n")
    assert matrix.update()
    assert Path("matrix.yaml").read_text() == text


def test_the_command_says_what_it_did_or_what_is_wrong(folder: Path) -> None:
    command = [sys.executable, "-m", "pipeline.matrix"]

    def outcome() -> tuple[int, str, str]:
        done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(PROJECT)})
        return done.returncode, done.stdout, done.stderr

    assert outcome() == (0, "matrix.yaml: brought up to date with params.yaml\n", "")
    assert outcome() == (0, "matrix.yaml: already fits params.yaml\n", "")
    Path("params.yaml").write_text(json.dumps({**TREE, "matrix": {"tiny": {}}}))
    before = Path("matrix.yaml").read_bytes()
    assert outcome() == (1, "", "error: matrix.tiny: no such experiment; defined are: small, big, unused\n")
    assert Path("matrix.yaml").read_bytes() == before


def test_a_file_that_does_not_fit_an_entry_is_an_error_for_that_experiment_alone(folder: Path) -> None:
    entries = {name: Matrix(**entry) for name, entry in TREE["matrix"].items()}
    message = (
        r"^matrix\.yaml does not fit matrix\.small of params\.yaml; bring it up to date: python -m pipeline\.matrix$"
    )
    with pytest.raises(UserError, match=message):  # there is no file
        matrix_file.require_current("small", entries["small"])
    matrix.update()
    for name, entry in entries.items():
        matrix_file.require_current(name, entry)
    with pytest.raises(UserError, match=message):
        matrix_file.require_current("small", Matrix(methods=["cqp"], seeds=[0, 7]))
    matrix_file.require_current("big", entries["big"])


def test_the_studies_of_an_experiment_are_those_of_the_file(folder: Path) -> None:
    message = r"^matrix\.yaml: no such file; `python -m pipeline\.matrix` makes it$"
    with pytest.raises(UserError, match=message):
        matrix_file.studies_of("small")
    matrix.update()
    assert matrix_file.studies_of("small") == ["layers", "energy"]
    assert matrix_file.studies_of("big") == ["layers", "sweep"]
    assert matrix_file.studies_of("unused") == []  # it has blocks, but no entry in the matrix
    tree = json.loads(json.dumps(TREE))
    del tree["experiments"]["big"]["sweep"]
    Path("params.yaml").write_text(json.dumps(tree))
    assert matrix_file.studies_of("big") == ["layers", "sweep"]  # what DVC knows, until the file is brought up to date
    matrix.update()
    assert matrix_file.studies_of("big") == ["layers"]


def test_dvc_takes_the_file_also_where_a_stage_has_no_members(folder: Path) -> None:
    matrix.update()
    run(folder, "git", "init", "--quiet")
    run(folder, "dvc", "init", "--quiet")
    Path("dvc.yaml").write_bytes((PROJECT / "dvc.yaml").read_bytes())
    stages = set(run(folder, "dvc", "stage", "list", "--name-only").split())
    assert stages == {f"{stage}@{name}" for stage, names in matrix.stages_of(TREE).items() for name in names}


def test_the_matrix_is_made_without_torch() -> None:
    code = "import sys, pipeline.matrix; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0
