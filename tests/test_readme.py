"""Runs what the README shows: its example method, the lines in params.yaml that go with it, and its example study."""

import copy
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from pipeline.experiments import validate_params
from pipeline.io.params import read_params
from pipeline.matrix import stages_of
from snnprune import methods
from snnprune.core.schema import ParamsError
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from tests.imports import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")
OWN: dict[str, Any] = YAML(typ="safe").load(PROJECT / "params.yaml")


def write(folder: Path, tree: dict[str, Any]) -> Path:
    YAML(typ="safe").dump(tree, folder / "params.yaml")
    return folder / "params.yaml"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The README's method as a file in the methods folder (a temporary one on the package's path); its name."""
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    (name,) = re.findall(r"One file in `snnprune/methods/`, say `(\w+)\.py`", README)
    (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    monkeypatch.setitem(sys.modules, f"snnprune.methods.{name}", ModuleType(name))
    monkeypatch.delitem(sys.modules, f"snnprune.methods.{name}")
    return name


def test_the_example_method_is_found_and_prunes(example: str) -> None:
    assert example in methods.available()
    method = methods.load_method(example)
    weights = {"a.weight": torch.tensor([[0.3, -0.1], [0.2, 0.5]]), "b.weight": torch.tensor([[-0.4, 0.0]])}
    problem = Problem(weights, Mask.dense(weights), 3, "global", 0, lambda: weights)
    mask = method.prune(problem, method.params())
    assert {name: layer.tolist() for name, layer in mask.items()} == {
        "a.weight": [[False, True], [True, False]],
        "b.weight": [[False, True]],
    }


def test_its_two_lines_in_params_give_its_prune_stages_and_no_others(example: str, tmp_path: Path) -> None:
    (line,) = re.findall(r"in `params\.yaml`: under `methods:` of an experiment \(`(.+?)`\)", " ".join(README.split()))
    assert "and in `matrix.<experiment>.methods`" in " ".join(README.split())
    block = YAML(typ="safe").load(line)
    assert set(block) == {example}
    before = stages_of(OWN)
    for experiment, entry in OWN["matrix"].items():
        tree = copy.deepcopy(OWN)
        tree["matrix"][experiment]["methods"].append(example)
        with pytest.raises(ParamsError, match=f"matrix.{experiment}.methods: '{example}' is none of those"):
            validate_params(write(tmp_path, tree))
        tree["experiments"][experiment]["methods"].update(block)
        path = write(tmp_path, tree)
        validate_params(path)
        after = stages_of(read_params(path))
        new = {
            f"{experiment}-{example}-{seed}": {"experiment": experiment, "method": example, "seed": seed}
            for seed in entry["seeds"]
        }
        assert after == {**before, "prune": {**before["prune"], **new}}


def test_its_example_study_is_a_study(tmp_path: Path) -> None:
    (line,) = re.findall(r"its block \(`(\w+: \{.+?\})`\)", " ".join(README.split()))
    block = YAML(typ="safe").load(line)
    (study,) = block
    for experiment in OWN["matrix"]:
        tree = copy.deepcopy(OWN)
        tree["experiments"][experiment].pop(study, None)
        assert experiment not in stages_of(tree)[study]
        tree["experiments"][experiment].update(block)
        path = write(tmp_path, tree)
        validate_params(path)
        assert stages_of(read_params(path))[study][experiment] == {"experiment": experiment}


def test_its_claims_are_those_of_claims_json() -> None:
    judged = json.loads((PROJECT / "results/mnist/report/claims.json").read_text(encoding="utf-8"))["claims"]
    expected = []
    for claim in judged:
        for index, condition in enumerate(claim["conditions"]):
            first = (claim["claim"].rstrip("."), f"**{claim['verdict']}**") if index == 0 else ("", "")
            figures = [told(condition[protocol], condition["unit"]) for protocol in ("fair", "paper")]
            expected.append([first[0], f"{condition['quantity']}, {condition['unit']}", *figures, first[1]])
    section = README[README.index("## The paper's claims") : README.index("## The two commands")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    assert rows[2:] == expected


def told(figures: dict[str, Any] | None, unit: str) -> str:
    if not figures or figures["mean"] is None:
        return "-"
    form = "{:,.0f}" if unit == "synapses" else "{:.2f}"
    mean, low, high = (form.format(figures[name]) for name in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


@pytest.mark.parametrize("page", ["README.md", "docs/results.md", "docs/scale.md"])
def test_its_links_lead_somewhere(page: str) -> None:
    path = PROJECT / page
    targets = re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8"))
    for target in targets:
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.is_file(), target
        if anchor:
            assert anchor in {anchor_of(line) for line in linked.read_text(encoding="utf-8").splitlines()}, target


def anchor_of(line: str) -> str | None:
    """What a heading is called in a link, as GitHub makes it."""
    if not line.startswith("#"):
        return None
    return re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
