"""Runs what the README shows: its example method."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from pipeline import methods
from pipeline.pruning.mask import Mask
from pipeline.pruning.problem import Problem
from tests.imports import PROJECT


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The README's method as a file in the methods folder (a temporary one on the package's path); its name."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    (name,) = re.findall(r"One file in `pipeline/methods/`, say `(\w+)\.py`", readme)
    (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    monkeypatch.setitem(sys.modules, f"pipeline.methods.{name}", ModuleType(name))
    monkeypatch.delitem(sys.modules, f"pipeline.methods.{name}")
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
