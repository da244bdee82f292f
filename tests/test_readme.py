"""Runs the examples of README and docs, and follows their links."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import snnprune
from tests.imports import PROJECT
from tests.pipeline.report.page.parsed import Parsed
from tests.tiny import make_repository, run

README = (PROJECT / "README.md").read_text(encoding="utf-8")
EXTENDING = (PROJECT / "docs/extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README + EXTENDING, flags=re.DOTALL)


def test_the_library_s_example_runs(tmp_path: Path) -> None:
    (example,) = [block for block in BLOCKS if "snnprune.prune(" in block]
    assert len(example.splitlines()) <= 15
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    sparsity, accuracy, *counts = done.stdout.split()
    assert (round(float(sparsity), 4), float(accuracy) > 0.85) == (0.9, True)
    assert "neuron updates" in " ".join(counts)
    assert (tmp_path / "pruned.safetensors").is_file()


@pytest.mark.slow
def test_the_minimal_experiment_runs_with_the_example_method(tmp_path: Path) -> None:
    """As the text has it, in a project of its own: no study, a method of the user's, another baseline."""
    (params,) = re.findall(r"```yaml\n(.*?)```", EXTENDING, flags=re.DOTALL)
    assert len(params.splitlines()) <= 15
    (code,) = [block for block in BLOCKS if "def prune(" in block]
    project = make_repository(tmp_path / "project")
    (project / "methods").mkdir()
    (project / "methods/smallest.py").write_text(code, encoding="utf-8")
    (project / "params.yaml").write_text(params, encoding="utf-8")
    output = run(project, sys.executable, "-m", "flows.cli", "run", "mine")
    assert "12 stages: 12 ran" in output
    compared = json.loads((project / "results/mine/compare/summary.json").read_text(encoding="utf-8"))
    assert compared["baseline"] == "random"
    margins = {(row["method"], row["level"]): row["margin"] for row in compared["results"]}
    assert {method for method, _ in margins} == {"smallest", "magnitude", "random"}
    assert margins["smallest", 0.5]["n"] == 2 and margins["random", 0.5] is None
    page = Parsed((project / "results/mine/report/index.html").read_text(encoding="utf-8"))
    assert [row[0] for row in page.cells[:5]] == ["method", "smallest", "magnitude", "random", "best by validation"]
    assert "left out: 8 of 8 claims" in page.text
    assert run(project, "dvc", "status", "report@mine").strip() == "Data and pipelines are up to date."


def test_the_example_method_is_found_and_prunes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = [block for block in BLOCKS if "def prune(" in block]
    (name,) = re.findall(r"file in your project, say `methods/(\w+)\.py`", EXTENDING)
    monkeypatch.chdir(tmp_path)
    Path("methods").mkdir()
    Path(f"methods/{name}.py").write_text(code, encoding="utf-8")
    assert name in snnprune.list_methods()
    data = snnprune.Split(*map(torch.tensor, ([[[[0.1, 0.2], [0.3, 0.4]]]], [0])))
    net = snnprune.build([4, 2])
    pruned = snnprune.prune(net, data, method=name, level=0.5)
    (weight,) = [parameter.detach().abs() for key, parameter in net.named_parameters() if key.endswith("weight")]
    (mask,) = pruned.mask.values()
    assert weight[mask].max() <= weight[~mask].min()


@pytest.mark.parametrize(
    "page", ["README.md", *(str(page.relative_to(PROJECT)) for page in sorted((PROJECT / "docs").glob("*.md")))]
)
def test_its_links_lead_somewhere(page: str) -> None:
    path = PROJECT / page
    targets = re.findall(r"\]\((?!https:)([^)]+)\)", path.read_text(encoding="utf-8"))
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
